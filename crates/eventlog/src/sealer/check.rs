//! Whether the stored tree fits the log: looked at before a sealer goes on.

use baeum_proof::{
    Checkpoint, CheckpointError, EventRecord, Hash, Signer, Tile, Tree, note::NoteError, range_root, tiles_of,
};

use super::{
    SealError,
    records::{self, Moment},
    store::{self, Store},
};
use crate::EventLog;

/// How many of the latest events are compared with their hashes: those of the last tile and the one before.
const COMPARED: u64 = 256;

/// Reads the tree of `size` leaves, and sees that its edge is there, that it leads to the latest checkpoint, that the
/// log goes as far, and that its latest events are still those that were sealed.
pub(super) async fn check(log: &EventLog, store: &Store<'_>, size: u64, signer: &Signer) -> Result<Tree, SealError> {
    let head = log.head().await.map_err(|error| match error {
        crate::LogError::Unavailable(error) => SealError::Database(error),
        other => SealError::Misfit(other.to_string()),
    })?;
    let sealed = log.floor() + size.cast_signed();
    if head < sealed {
        return Err(SealError::Misfit(format!("the log ends at position {head}, and was sealed up to {sealed}")));
    }
    let wanted: Vec<Tile> = Tree::edge_of(size).collect();
    let edge = store::tiles(store.pool, &wanted).await?;
    let tree = Tree::resume(size, |tile| edge.get(&tile).cloned()).ok_or_else(|| {
        SealError::Misfit(format!("a tile at the edge of the tree of {size} is missing or too short"))
    })?;
    check_checkpoint(store, &tree, signer).await?;
    check_events(log, store, size).await?;
    Ok(tree)
}

/// The latest checkpoint must be of this tree, or of a beginning of it.
async fn check_checkpoint(store: &Store<'_>, tree: &Tree, signer: &Signer) -> Result<(), SealError> {
    let Some((size, note)) = store::latest(store.pool).await? else { return Ok(()) };
    let wrong = |why: String| SealError::Misfit(format!("the checkpoint of size {size} {why}"));
    let checkpoint = Checkpoint::read(&note).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let verifier = signer.verifier();
    // What an earlier key has signed is for auditors to verify, who have it.
    let by_this_key = Checkpoint::verify(&note, std::slice::from_ref(verifier));
    if let Err(error @ CheckpointError::Note(NoteError::Wrong(_))) = by_this_key {
        return Err(wrong(format!("cannot be believed: {error}")));
    }
    if checkpoint.size != size || size > tree.size() {
        return Err(wrong(format!("speaks of {} events, and {} are sealed", checkpoint.size, tree.size())));
    }
    if root_at(store, tree, size).await? != Some(checkpoint.root) {
        return Err(wrong("has another root than the stored tiles give".to_owned()));
    }
    Ok(())
}

/// The root that the tree had when it was of `size`; `None` where tiles are missing.
pub(super) async fn root_at(store: &Store<'_>, tree: &Tree, size: u64) -> Result<Option<Hash>, SealError> {
    if size == tree.size() || size == 0 {
        return Ok(Some(if size == 0 { Tree::new().root() } else { tree.root() }));
    }
    let wanted = tiles_of(|tiles| range_root(tiles, size, 0, size).map(drop));
    let tiles = store::tiles(store.pool, &wanted).await?;
    Ok(range_root(&tiles, size, 0, size).ok())
}

/// The latest events must have the hashes that were sealed.
async fn check_events(log: &EventLog, store: &Store<'_>, size: u64) -> Result<(), SealError> {
    let start = size.saturating_sub(COMPARED);
    let position = |index: u64| log.floor() + index.cast_signed() + 1;
    let rows = sqlx::query(&format!("SELECT {} FROM events {}", records::ALL_COLUMNS, records::PAGE))
        .bind(position(start) - 1)
        .bind(position(size) - 1)
        .bind((size - start).cast_signed())
        .fetch_all(store.pool)
        .await?;
    let wanted: Vec<Tile> = [start / 256, size.saturating_sub(1) / 256]
        .into_iter()
        .filter_map(|index| Tile::in_tree(0, index, size))
        .collect();
    let tiles = store::tiles(store.pool, &wanted).await?;
    let mut moment = Moment::default();
    let mut rows = rows.iter();
    for index in start..size {
        let misfit = |what: &str| SealError::Misfit(format!("position {}: {what}", position(index)));
        let row = rows.next().ok_or_else(|| misfit("its event is missing"))?;
        let (found, canonical) = records::read(row, &mut moment)?;
        if found != position(index) {
            return Err(misfit(&format!("its event is missing: after it comes {found}")));
        }
        let slot = usize::try_from(index % 256).expect("less than 256");
        let tile = Tile::in_tree(0, index / 256, size).and_then(|tile| tiles.get(&tile));
        if tile.and_then(|hashes| hashes.get(slot)) != Some(&EventRecord::leaf(&canonical)) {
            return Err(misfit("its event does not have the hash that was sealed"));
        }
    }
    Ok(())
}
