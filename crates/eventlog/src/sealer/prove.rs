//! What auditors are shown: checkpoints, tiles, entries and proofs, from the stored tree.

use baeum_proof::{
    Checkpoint, EventRecord, Hash, Tile, TileKind, bundle, consistency, inclusion, range_root, tiles_of,
};

use super::{
    SealError,
    records::{self, Moment},
    store,
};
use crate::EventLog;

/// That an event is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Position of the event.
    pub position: i64,
    /// Its leaf, from 0.
    pub index: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// The root of it.
    pub root: Hash,
    /// The hash of the leaf.
    pub leaf: Hash,
    /// What leads from the leaf to the root.
    pub path: Vec<Hash>,
    /// The canonical bytes of the event, whose SHA-256 is the entry of the leaf.
    pub record: String,
    /// Whose log the event is of.
    pub tenant: String,
    /// The signed checkpoint of this size, where one was kept.
    pub checkpoint: Option<String>,
}

/// That a log continues an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// How many leaves the earlier tree has.
    pub from: u64,
    /// Its root.
    pub from_root: Hash,
    /// How many leaves the later one has.
    pub to: u64,
    /// Its root.
    pub to_root: Hash,
    /// What shows it.
    pub path: Vec<Hash>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Nothing is sealed, or not as much.
    #[error("the tree of {wanted} events is not signed yet, the latest checkpoint is of {sealed}: wait for the sealer")]
    NotSealed {
        /// How many events the tree would have.
        wanted: u64,
        /// How many the latest checkpoint has.
        sealed: u64,
    },
    /// The sizes do not follow each other.
    #[error("{0}")]
    NoRange(String),
    /// The seal does not fit the log, or cannot be read.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<sqlx::Error> for ProofError {
    fn from(error: sqlx::Error) -> Self {
        Self::Seal(error.into())
    }
}

impl EventLog {
    /// The latest signed checkpoint, as a note; `None` as long as nothing is sealed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn checkpoint(&self) -> Result<Option<String>, SealError> {
        Ok(store::latest(&self.pool).await?.map(|(_, note)| note))
    }

    /// The verifier keys of the log, the one that is in use first. None as long as nothing is sealed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn verifier_keys(&self) -> Result<Vec<String>, SealError> {
        let keys = sqlx::query_scalar("SELECT verifier_key FROM seal_keys ORDER BY since DESC, verifier_key");
        Ok(keys.fetch_all(&self.pool).await?)
    }

    /// The bytes of a tile of the tree that the latest checkpoint signs; `None` where that has no such tile.
    ///
    /// Entries are read from the events themselves, so they do not fit the hashes where an event was changed.
    ///
    /// # Errors
    /// When the database cannot be reached, or an event is not one that the log writes.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, SealError> {
        let sealed = store::latest(&self.pool).await?.map_or(0, |(size, _)| size);
        if tile.least_size().is_none_or(|least| least > sealed) {
            return Ok(None);
        }
        match tile.kind() {
            TileKind::Hashes(_) => {
                Ok(store::tiles(&self.pool, &[tile]).await?.remove(&tile).map(|hashes| Tile::write(&hashes)))
            }
            TileKind::Entries => {
                let (start, width) = (tile.index() * 256, tile.width());
                let records = self.records(start, width).await?;
                if u64::try_from(records.len()) != Ok(width) {
                    return Ok(None);
                }
                let mut written = vec![];
                for (_, canonical) in records {
                    bundle::push(&mut written, &EventRecord::entry(&canonical));
                }
                Ok(Some(written))
            }
        }
    }

    /// Proves that the event at `position` is in the log, to the checkpoint of `size`, or to the latest one.
    ///
    /// # Errors
    /// When it is not sealed, or what is stored does not lead to a root, or the database cannot be reached.
    pub async fn prove_inclusion(&self, position: i64, size: Option<u64>) -> Result<Inclusion, ProofError> {
        let (size, latest) = self.sealed(size).await?;
        let index = (position - self.floor() - 1).cast_unsigned();
        if index >= size {
            return Err(ProofError::NotSealed { wanted: index + 1, sealed: size });
        }
        let Some((_, record)) = self.records(index, 1).await?.pop() else {
            return Err(misfit(format!("position {position}: its event is missing")));
        };
        let wanted = tiles_of(|tiles| {
            range_root(tiles, size, 0, size)?;
            inclusion::prove(tiles, index, size).map(drop)
        });
        let tiles = store::tiles(&self.pool, &wanted).await?;
        let missing = |error: baeum_proof::MissingTile| misfit(error.to_string());
        let root = range_root(&tiles, size, 0, size).map_err(missing)?;
        let path = inclusion::prove(&tiles, index, size).map_err(missing)?;
        let leaf = EventRecord::leaf(&record);
        if !inclusion::verify(leaf, index, size, &path, root) {
            return Err(misfit(format!("position {position}: its event does not have the hash that was sealed")));
        }
        let tenant = EventRecord::read(&record).map(|it| it.tenant.into_owned()).unwrap_or_default();
        let checkpoint = self.signed_root(size, latest, root).await?;
        Ok(Inclusion { position, index, size, root, leaf, path, record, tenant, checkpoint })
    }

    /// Proves that the tree of `to` leaves, or of the latest checkpoint, begins with that of `from`.
    ///
    /// # Errors
    /// When it is not sealed as far, or what is stored does not lead to a root, or the database cannot be reached.
    pub async fn prove_consistency(&self, from: u64, to: Option<u64>) -> Result<Consistency, ProofError> {
        let (to, latest) = self.sealed(to).await?;
        if from == 0 || from > to {
            return Err(ProofError::NoRange(format!("from: give 1 to {to}, the size of the later tree")));
        }
        let wanted = tiles_of(|tiles| {
            range_root(tiles, to, 0, to)?;
            range_root(tiles, from, 0, from)?;
            consistency::prove(tiles, from, to).map(drop)
        });
        let tiles = store::tiles(&self.pool, &wanted).await?;
        let missing = |error: baeum_proof::MissingTile| misfit(error.to_string());
        let from_root = range_root(&tiles, from, 0, from).map_err(missing)?;
        let to_root = range_root(&tiles, to, 0, to).map_err(missing)?;
        let path = consistency::prove(&tiles, from, to).map_err(missing)?;
        if !consistency::verify(from, from_root, to, to_root, &path) {
            return Err(misfit(format!("the tiles of {to} events do not continue those of {from}")));
        }
        self.signed_root(to, latest, to_root).await?;
        Ok(Consistency { from, from_root, to, to_root, path })
    }

    /// The size that was asked for, where it is signed, and the latest signed one.
    async fn sealed(&self, size: Option<u64>) -> Result<(u64, u64), ProofError> {
        let sealed = store::latest(&self.pool).await?.map_or(0, |(size, _)| size);
        let wanted = size.unwrap_or(sealed);
        if wanted == 0 || wanted > sealed {
            return Err(ProofError::NotSealed { wanted: wanted.max(1), sealed });
        }
        Ok((wanted, sealed))
    }

    /// The checkpoint of this size, which must have this root.
    async fn signed_root(&self, size: u64, latest: u64, root: Hash) -> Result<Option<String>, ProofError> {
        let note: Option<String> = sqlx::query_scalar("SELECT note FROM seal_checkpoints WHERE size = $1")
            .bind(size.cast_signed())
            .fetch_optional(&self.pool)
            .await?;
        match note.as_deref().map(Checkpoint::read) {
            Some(Ok(checkpoint)) if checkpoint.root == root => Ok(note),
            None if size < latest => Ok(None),
            _ => Err(misfit(format!("the checkpoint of size {size} has another root than the stored tiles give"))),
        }
    }

    /// The canonical bytes of so many events from leaf `start` on, with their positions.
    async fn records(&self, start: u64, count: u64) -> Result<Vec<(i64, String)>, SealError> {
        let after = self.floor() + start.cast_signed();
        let rows = sqlx::query(&format!("SELECT {} FROM events {}", records::ALL_COLUMNS, records::PAGE))
            .bind(after)
            .bind(after + count.cast_signed())
            .bind(count.cast_signed())
            .fetch_all(&self.pool)
            .await?;
        let mut moment = Moment::default();
        rows.iter().map(|row| records::read(row, &mut moment)).collect()
    }
}

fn misfit(why: String) -> ProofError {
    ProofError::Seal(SealError::Misfit(why))
}
