//! The verification: what is signed first, then every event in order.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::Deserialize;

use super::{
    folder::{CHECKPOINT, CHECKPOINTS, Folder, LOG, ReadError, read_text},
    leaves::Leaves,
};
use crate::{Checkpoint, Hash, VerifierKey, split_notes};

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which log.
    pub origin: String,
    /// The position before its first.
    pub floor: i64,
    /// The first position whose event is in the folder.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// How many events the largest checkpoint that was met holds: all up to there are proven.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// How many checkpoints were met, those of witnesses among them.
    pub checkpoints: usize,
    /// How many of them witnesses had.
    pub witnessed: usize,
}

impl Verified {
    /// How many events stand after the largest checkpoint: nothing is proven of them yet.
    pub fn unproven(&self) -> u64 {
        (self.last - self.floor).unsigned_abs().saturating_sub(self.size)
    }
}

/// What is wrong, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first wrong position, or the first that it may be.
    pub position: i64,
    /// The last position that it may be, where the files do not say it exactly.
    pub up_to: Option<i64>,
    /// What is wrong there.
    pub what: String,
}

impl Finding {
    pub(super) fn at(position: i64, what: impl Into<String>) -> Self {
        Self { position, up_to: None, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.up_to {
            Some(last) if last > self.position => {
                write!(f, "the first wrong position is one of {} to {last}: {}", self.position, self.what)
            }
            _ => write!(f, "the first wrong position is {}: {}", self.position, self.what),
        }
    }
}

/// Why a folder was not found to be an honest log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file is missing or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The folder does not say which log it is.
    #[error("{} does not say which log this is ({why}): export it again", .path.display())]
    Unnamed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No key is of this log.
    #[error(
        "none of the keys is of the log '{0}': give its verifier key, which whoever runs it prints with `baeum audit key`"
    )]
    NoKey(String),
    /// It is not honest.
    #[error("{0}")]
    Wrong(Finding),
}

/// What `log.json` says.
#[derive(Deserialize)]
pub(super) struct Log {
    pub(super) origin: String,
    pub(super) floor: i64,
    pub(super) first: i64,
}

impl Log {
    /// The position of the last leaf of a tree of this size.
    pub(super) fn position(&self, size: u64) -> i64 {
        i64::try_from(size).ok().and_then(|it| self.floor.checked_add(it)).unwrap_or(i64::MAX)
    }
}

/// The signed checkpoints that everything has to lead to.
#[derive(Default)]
pub(super) struct Anchors {
    /// Roots by size.
    pub(super) roots: BTreeMap<u64, Hash>,
    /// The largest size that the folder's own checkpoints speak of: its tiles go as far.
    pub(super) size: u64,
    /// The largest that a witness has.
    pub(super) witnessed: u64,
    count: usize,
    of_witnesses: usize,
    findings: Vec<Finding>,
}

impl Anchors {
    /// Takes a note in, of the folder itself or of a witness.
    fn take(&mut self, log: &Log, keys: &[VerifierKey], note: &str, place: &str, witness: bool) {
        let claimed = Checkpoint::read(note).ok();
        if witness && claimed.as_ref().is_some_and(|it| it.origin != log.origin) {
            // It witnesses other logs too.
            return;
        }
        if let Some(claimed) = claimed.as_ref().filter(|_| !witness) {
            self.size = self.size.max(claimed.size);
        }
        let checkpoint = match Checkpoint::verify(note, keys) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                let after = self.roots.keys().next_back().map_or(0, |size| size.saturating_add(1));
                let size = claimed.map_or(after, |it| it.size);
                let what = format!("the checkpoint of size {size} in {place} cannot be believed: {error}");
                self.findings.push(Finding::at(log.position(size), what));
                return;
            }
        };
        let Checkpoint { size, root, .. } = checkpoint;
        if self.roots.insert(size, root).is_some_and(|other| other != root) {
            let what = format!("there are two signed checkpoints of size {size} with different roots, one in {place}");
            self.findings.push(Finding::at(log.position(size), what));
            return;
        }
        self.count += 1;
        if witness {
            self.witnessed = self.witnessed.max(size);
            self.of_witnesses += 1;
        }
    }
}

/// Verifies an exported log with the verifier keys of who sealed it, and checkpoints that witnesses kept.
///
/// # Errors
/// The first wrong position, or a file that cannot be read.
pub fn verify(folder: &Folder, keys: &[VerifierKey], witnesses: &[PathBuf]) -> Result<Verified, AuditError> {
    let log = read_log(folder)?;
    let keys: Vec<VerifierKey> = keys.iter().filter(|key| key.name() == log.origin).cloned().collect();
    if keys.is_empty() {
        return Err(AuditError::NoKey(log.origin));
    }
    let mut anchors = Anchors::default();
    let mut latest = None;
    for note in split_notes(&folder.text(CHECKPOINTS)?) {
        anchors.take(&log, &keys, &note, CHECKPOINTS, false);
        latest = Some(note);
    }
    for path in witnesses {
        for note in split_notes(&read_text(path)?) {
            anchors.take(&log, &keys, &note, &format!("the witness {}", path.display()), true);
        }
    }
    if latest.as_ref() != Some(&folder.text(CHECKPOINT)?) {
        let what = format!("the files {CHECKPOINT} and {CHECKPOINTS} do not end with the same checkpoint");
        anchors.findings.push(Finding::at(log.position(anchors.size.max(1)), what));
    }
    let walked = Leaves::new(folder, &log, &anchors).walk()?;
    let (last, met, found) = (walked.last, walked.met, walked.finding);
    let first = anchors.findings.into_iter().chain(found).min_by_key(|it| it.position);
    if let Some(finding) = first {
        return Err(AuditError::Wrong(finding));
    }
    let Some((size, root)) = met else {
        let what = "no checkpoint covers it: the log was not sealed yet, or its checkpoints were taken away";
        return Err(AuditError::Wrong(Finding::at(log.position(1), what)));
    };
    Ok(Verified {
        floor: log.floor,
        first: log.first,
        origin: log.origin,
        last,
        size,
        root,
        checkpoints: anchors.count,
        witnessed: anchors.of_witnesses,
    })
}

fn read_log(folder: &Folder) -> Result<Log, AuditError> {
    let unnamed = |why: String| AuditError::Unnamed { path: folder.path(LOG), why };
    let log: Log = serde_json::from_str(&folder.text(LOG)?).map_err(|error| unnamed(error.to_string()))?;
    if log.floor < 0 || log.first <= log.floor {
        return Err(unnamed(format!("it begins at {}, which is not after its floor {}", log.first, log.floor)));
    }
    Ok(log)
}
