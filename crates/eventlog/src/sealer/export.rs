//! The log as files that can be verified without it: events, tiles and checkpoints.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use baeum_domain::position::Shard;
use baeum_proof::{Tile, audit};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    SealError,
    records::{self, Moment},
};

/// How many rows are read at once.
const PAGE: i64 = 4_096;

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The first position.
    pub first: i64,
    /// How many events.
    pub events: u64,
    /// How many events the latest checkpoint signs, those before the first among them.
    pub sealed: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
}

/// Why the log was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder is in use.
    #[error("the folder {} is not empty: give a new one, or empty it", .0.display())]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The log does not go there.
    #[error("position {from} is not in this log, which has those from {first} to {last}")]
    NoPosition {
        /// What was asked for.
        from: i64,
        /// The first that there is.
        first: i64,
        /// The last.
        last: i64,
    },
    /// Nothing to verify it with.
    #[error("nothing is sealed yet: run a sealer (`baeum seal`, or `baeum serve` with BAEUM_SEAL_KEY_FILE) first")]
    NotSealed,
    /// The log cannot be read.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Seal(error.into())
    }
}

/// Writes the log, or its events from the position `from` on, into a new or empty folder. It is read as it is, page by
/// page: whether it is right is for whoever verifies the files to say.
///
/// # Errors
/// When the folder cannot be written, nothing is sealed, the position is not in the log, or the database fails.
pub async fn export(db: &mut PgConnection, folder: &Path, from: Option<i64>) -> Result<Exported, ExportError> {
    let (head, floor): (i64, i64) =
        sqlx::query_as("SELECT position, log_floor() FROM log_head").fetch_one(&mut *db).await?;
    let first = from.unwrap_or(floor + 1);
    if Shard::of(first).map(Shard::floor) != Some(floor) || first <= floor || first > head.max(floor + 1) {
        return Err(ExportError::NoPosition { from: first, first: floor + 1, last: head });
    }
    let origin: Option<String> = sqlx::query_scalar("SELECT origin FROM seal_head").fetch_one(&mut *db).await?;
    let latest: Option<i64> = sqlx::query_scalar("SELECT max(size) FROM seal_checkpoints").fetch_one(&mut *db).await?;
    let (Some(origin), Some(latest)) = (origin, latest) else { return Err(ExportError::NotSealed) };
    let folder = Folder::new(folder)?;
    let log = json!({ "origin": origin, "floor": floor, "first": first });
    folder.write(audit::LOG, format!("{log}\n").as_bytes())?;
    let checkpoints = checkpoints(db, &folder, latest).await?;
    tiles(db, &folder, latest.cast_unsigned()).await?;
    let events = events(db, &folder, first, head).await?;
    Ok(Exported { first, events, sealed: latest.cast_unsigned(), checkpoints })
}

async fn checkpoints(db: &mut PgConnection, folder: &Folder, latest: i64) -> Result<u64, ExportError> {
    let mut file = folder.create(audit::CHECKPOINTS)?;
    let (mut after, mut count, mut last) = (0, 0, String::new());
    loop {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT size, note FROM seal_checkpoints WHERE size > $1 AND size <= $2 ORDER BY size LIMIT $3",
        )
        .bind(after)
        .bind(latest)
        .bind(PAGE)
        .fetch_all(&mut *db)
        .await?;
        let Some((size, _)) = rows.last() else { break };
        after = *size;
        for (_, note) in rows {
            let gap = if count > 0 { "\n" } else { "" };
            file.write(format!("{gap}{note}").as_bytes())?;
            count += 1;
            last = note;
        }
    }
    file.finish()?;
    folder.write(audit::CHECKPOINT, last.as_bytes())?;
    Ok(count)
}

/// Each tile as wide as the tree of the latest checkpoint has it, where it is stored so wide.
async fn tiles(db: &mut PgConnection, folder: &Folder, size: u64) -> Result<(), ExportError> {
    let mut after = (-1, -1_i64);
    loop {
        let rows: Vec<(i32, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT level, index, hashes FROM seal_tiles WHERE (level, index) > ($1, $2) ORDER BY level, index LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(&mut *db)
        .await?;
        let Some((level, index, _)) = rows.last() else { return Ok(()) };
        after = (*level, *index);
        for (level, index, hashes) in rows {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            let Some(tile) = Tile::in_tree(level, index.cast_unsigned(), size) else { continue };
            let width = usize::try_from(tile.width() * 32).unwrap_or(usize::MAX).min(hashes.len());
            folder.write(&tile.to_string(), &hashes[..width])?;
        }
    }
}

async fn events(db: &mut PgConnection, folder: &Folder, first: i64, head: i64) -> Result<u64, ExportError> {
    let mut file = folder.create(audit::EVENTS)?;
    let (mut after, mut count) = (first - 1, 0);
    let mut moment = Moment::default();
    loop {
        let rows = sqlx::query(&format!("SELECT {} FROM events {}", records::ALL_COLUMNS, records::PAGE))
            .bind(after)
            .bind(head)
            .bind(PAGE)
            .fetch_all(&mut *db)
            .await?;
        if rows.is_empty() {
            file.finish()?;
            return Ok(count);
        }
        for row in &rows {
            let (position, mut canonical) = records::read(row, &mut moment)?;
            canonical.push('\n');
            file.write(canonical.as_bytes())?;
            after = position;
            count += 1;
        }
    }
}

/// The folder that is written.
struct Folder(PathBuf);

impl Folder {
    fn new(path: &Path) -> Result<Self, ExportError> {
        let failed = |error| ExportError::File { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(failed)?;
        if fs::read_dir(path).map_err(failed)?.next().is_some() {
            return Err(ExportError::NotEmpty(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    fn create(&self, name: &str) -> Result<Writing, ExportError> {
        let path = self.0.join(name);
        let file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&path));
        match file {
            Ok(file) => Ok(Writing { file: BufWriter::with_capacity(1 << 20, file), path }),
            Err(error) => Err(ExportError::File { path, error }),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.0.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|error| ExportError::File { path, error })
    }
}

/// A file that is being written.
struct Writing {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(|error| ExportError::File { path: self.path.clone(), error })
    }

    fn finish(mut self) -> Result<(), ExportError> {
        self.file.flush().map_err(|error| ExportError::File { path: self.path, error })
    }
}
