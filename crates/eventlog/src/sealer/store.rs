//! The stored tree: its size, its tiles and its checkpoints, as the sealer of one epoch may write them.

use baeum_proof::{Hash, Tile, Tree, VerifierKey};
use sqlx::PgPool;

use super::{Fetched, SealError};

/// The tables of the seal.
pub(super) struct Store<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) epoch: i64,
}

/// Size, tiles and checkpoint together. Without a row, a later sealer has claimed the tree, or it has another size.
const SEAL: &str = "
WITH head AS (
    UPDATE seal_head SET size = $3, updated_at = now() WHERE epoch = $1 AND size = $2 RETURNING size
), tiled AS (
    INSERT INTO seal_tiles (level, index, hashes)
    SELECT t.* FROM unnest($4::int[], $5::bigint[], $6::bytea[]) AS t CROSS JOIN head
    ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes
), noted AS (
    INSERT INTO seal_checkpoints (size, note) SELECT size, $7 FROM head WHERE $7 IS NOT NULL
)
SELECT size FROM head";

impl Store<'_> {
    /// Claims the tree for this epoch and gives its size; `None` when a later epoch has claimed it.
    pub(super) async fn claim(&self, origin: &str) -> Result<Option<u64>, SealError> {
        let row: Option<(i64, String)> = sqlx::query_as(
            "UPDATE seal_head SET epoch = $1, origin = coalesce(origin, $2) WHERE epoch <= $1 RETURNING size, origin",
        )
        .bind(self.epoch)
        .bind(origin)
        .fetch_optional(self.pool)
        .await?;
        match row {
            Some((_, other)) if other != origin => Err(SealError::Misfit(format!(
                "it is sealed as '{other}', and this sealer is to seal it as '{origin}': correct BAEUM_SEAL_ORIGIN"
            ))),
            row => Ok(row.map(|(size, _)| size.cast_unsigned())),
        }
    }

    /// Moves the tree on from the size `before`; `false` when it is not this sealer's any more.
    pub(super) async fn seal(
        &self,
        before: u64,
        tree: &Tree,
        full: Vec<(Tile, Vec<Hash>)>,
        note: Option<&str>,
    ) -> Result<bool, SealError> {
        let edge = if tree.size() == before { vec![] } else { tree.edge().collect() };
        let (mut levels, mut indexes, mut hashes) = (vec![], vec![], vec![]);
        let full = full.iter().map(|(tile, hashes)| (*tile, hashes.as_slice()));
        for (tile, of_tile) in full.chain(edge) {
            levels.push(i32::from(tile.level()));
            indexes.push(tile.index().cast_signed());
            hashes.push(Tile::write(of_tile));
        }
        let moved: Option<i64> = sqlx::query_scalar(SEAL)
            .bind(self.epoch)
            .bind(before.cast_signed())
            .bind(tree.size().cast_signed())
            .bind(levels)
            .bind(indexes)
            .bind(hashes)
            .bind(note)
            .fetch_optional(self.pool)
            .await?;
        Ok(moved.is_some())
    }

    /// Why the log does not fit its seal, or that it does.
    pub(super) async fn note_misfit(&self, why: Option<&str>) -> Result<(), SealError> {
        sqlx::query("UPDATE seal_head SET misfit = $2 WHERE epoch = $1 AND misfit IS DISTINCT FROM $2")
            .bind(self.epoch)
            .bind(why)
            .execute(self.pool)
            .await?;
        Ok(())
    }

    /// Which key signs from here on.
    pub(super) async fn note_key(&self, key: &VerifierKey, size: u64) -> Result<(), SealError> {
        sqlx::query("INSERT INTO seal_keys (verifier_key, since) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(key.to_string())
            .bind(size.cast_signed())
            .execute(self.pool)
            .await?;
        Ok(())
    }

    /// The size of the latest checkpoint; 0 where there is none.
    pub(super) async fn latest_size(&self) -> Result<u64, SealError> {
        Ok(latest(self.pool).await?.map_or(0, |(size, _)| size))
    }
}

/// The latest checkpoint: its size and note.
pub(super) async fn latest(pool: &PgPool) -> Result<Option<(u64, String)>, sqlx::Error> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT size, note FROM seal_checkpoints ORDER BY size DESC LIMIT 1")
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|(size, note)| (size.cast_unsigned(), note)))
}

/// The stored hashes of these tiles, as far as they are there and as wide as asked for.
pub(super) async fn tiles(pool: &PgPool, wanted: &[Tile]) -> Result<Fetched, sqlx::Error> {
    let levels: Vec<i32> = wanted.iter().map(|tile| tile.level().into()).collect();
    let indexes: Vec<i64> = wanted.iter().map(|tile| tile.index().cast_signed()).collect();
    let rows: Vec<(i32, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT level, index, hashes FROM seal_tiles
         JOIN unnest($1::int[], $2::bigint[]) AS wanted(level, index) USING (level, index)",
    )
    .bind(levels)
    .bind(indexes)
    .fetch_all(pool)
    .await?;
    let mut found = Fetched::new();
    for (level, index, bytes) in rows {
        let Some(hashes) = Tile::read(&bytes) else { continue };
        let same = |tile: &&Tile| i32::from(tile.level()) == level && tile.index().cast_signed() == index;
        for tile in wanted.iter().filter(same) {
            if let Some(hashes) = usize::try_from(tile.width()).ok().and_then(|width| hashes.get(..width)) {
                found.insert(*tile, hashes.to_vec());
            }
        }
    }
    Ok(found)
}
