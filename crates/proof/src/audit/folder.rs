//! The files of an exported log.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use crate::{Hash, Tile};

/// The events: a line of canonical JSON each, in the order of their positions.
pub const EVENTS: &str = "events.jsonl";
/// The latest checkpoint, where a reader of tiles looks for it.
pub const CHECKPOINT: &str = "checkpoint";
/// Every checkpoint that was kept, from the first, each a signed note, an empty line between them.
pub const CHECKPOINTS: &str = "checkpoints";
/// Which log it is, in JSON: `origin`, `floor` (the position before the first), `first` (the first exported position).
/// Nothing in it is believed: the events and the checkpoints must agree with it.
pub const LOG: &str = "log.json";

/// A folder that `baeum audit export` wrote.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {error}", .path.display())]
pub struct ReadError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl Folder {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When it cannot be read as text.
    pub fn text(&self, name: &str) -> Result<String, ReadError> {
        read_text(&self.path(name))
    }

    /// The lines of the events. A last line without an end was cut off, and is given as it is.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn events(&self) -> Result<impl Iterator<Item = Result<String, ReadError>>, ReadError> {
        let path = self.path(EVENTS);
        let file = File::open(&path).map_err(|error| ReadError { path: path.clone(), error })?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        Ok(std::iter::from_fn(move || {
            let mut line = vec![];
            match lines.read_until(b'\n', &mut line) {
                Ok(0) => None,
                Ok(_) => {
                    line.pop_if(|last| *last == b'\n');
                    // What is no text is no canonical form either: it is told with its position.
                    Some(Ok(String::from_utf8_lossy(&line).into_owned()))
                }
                Err(error) => Some(Err(ReadError { path: path.clone(), error })),
            }
        }))
    }

    /// The hashes of a tile; a wider one will do, as it was written later. `None` where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<Hash>>, ReadError> {
        let path = self.path(&tile.to_string());
        match fs::read(&path) {
            Ok(bytes) => Ok(Tile::read(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError { path, error }),
        }
    }
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read as text.
pub(super) fn read_text(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|error| ReadError { path: path.to_owned(), error })
}
