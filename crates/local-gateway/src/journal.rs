//! The file that lets a restart forget nothing: a line for each request that changed something, written before it is
//! answered. It survives the end of the process at any moment; it is not synced to the disk, so a machine that loses its
//! power may lose the last lines.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::books::{Books, Entry};

/// What the first line says.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The version of the form of the file.
    local_gateway: u32,
    /// What the ids depend on.
    instance: String,
}

const VERSION: u32 = 1;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system says no.
    #[error("the journal {0} cannot be used: {1}")]
    Io(PathBuf, io::Error),
    /// Another gateway has it.
    #[error("the journal {0} is used by another gateway: stop it, or give another file")]
    Locked(PathBuf),
    /// A line is no entry.
    #[error(
        "the journal {path} cannot be read at line {line} ({reason}): it is no journal of this version, or damaged; give another file"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

pub(crate) struct Journal {
    file: File,
    /// How long it is up to its last whole line.
    length: u64,
}

impl Journal {
    /// Opens or begins the journal, and does again what it says. Also gives the instance that it was begun with. A last
    /// line that was not written to its end was never answered for, and is cut off.
    pub(crate) fn open(path: &Path, instance: String) -> Result<(Self, Books, String), JournalError> {
        let io = |error| JournalError::Io(path.to_owned(), error);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let (mut books, mut head, mut length) = (Books::default(), None::<Head>, 0);
        let mut reader = BufReader::new(&file);
        let mut text = vec![];
        for line in 1.. {
            text.clear();
            let read = reader.read_until(b'\n', &mut text).map_err(io)?;
            if !text.ends_with(b"\n") {
                break;
            }
            let wrong = |reason: String| JournalError::Line { path: path.to_owned(), line, reason };
            if head.is_none() {
                let first: Head = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
                if first.local_gateway != VERSION {
                    return Err(wrong(format!("its version is {}", first.local_gateway)));
                }
                head = Some(first);
            } else {
                let entry: Entry = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
                books.apply(entry);
            }
            length += read as u64;
        }
        drop(reader);
        let mut journal = Self { file, length };
        journal.cut().map_err(io)?;
        let instance = if let Some(head) = head {
            head.instance
        } else {
            journal.write(&Head { local_gateway: VERSION, instance: instance.clone() }).map_err(io)?;
            instance
        };
        Ok((journal, books, instance))
    }

    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.write(entry)
    }

    /// Writes a line; if that fails, none of it stays.
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            self.cut()?;
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(|_| ())
    }
}
