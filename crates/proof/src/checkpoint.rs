//! Checkpoints (C2SP `tlog-checkpoint`): what the signer of a log says that it holds.

use std::fmt::Write as _;

use crate::{
    Hash, Signer, VerifierKey,
    note::{self, NoteError, SIGNATURE},
};

/// Origin, size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a name that nothing else has.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// As a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text.
    #[error("it is no checkpoint: it needs an origin, a size and a root, a line each")]
    Malformed,
    /// It speaks of another log than the key does.
    #[error("it is of the log '{0}', for which no key was given")]
    Origin(String),
}

impl Checkpoint {
    /// It as a note, signed.
    pub fn sign(&self, signer: &Signer) -> String {
        note::sign(&self.text(), signer)
    }

    /// Its text, as it is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a note without believing it.
    ///
    /// # Errors
    /// When it has another form.
    pub fn read(note: &str) -> Result<Self, CheckpointError> {
        parse(note::text(note)?).ok_or(CheckpointError::Malformed)
    }

    /// Reads a note that one of `keys` has signed, as the log of its own name.
    ///
    /// # Errors
    /// When it has another form or is not so signed.
    pub fn verify(note: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint = parse(note::verify(note, keys)?).ok_or(CheckpointError::Malformed)?;
        if keys.iter().any(|key| key.name() == checkpoint.origin) {
            return Ok(checkpoint);
        }
        Err(CheckpointError::Origin(checkpoint.origin))
    }
}

/// Lines after the third are extensions: signed, and nothing to us.
fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.lines();
    let (origin, number, root) = (lines.next()?, lines.next()?, lines.next()?.parse().ok()?);
    let size: u64 = number.parse().ok().filter(|it: &u64| it.to_string() == number)?;
    if origin.is_empty() || lines.any(str::is_empty) {
        return None;
    }
    Some(Checkpoint { origin: origin.to_owned(), size, root })
}

/// The notes in a text in which they stand one after the other, with or without an empty line between them. What is no
/// note comes along as it is: it is for the reader to refuse.
pub fn split_notes(text: &str) -> Vec<String> {
    let (mut notes, mut note, mut signed) = (vec![], String::new(), false);
    for line in text.lines() {
        let signature = line.starts_with(SIGNATURE);
        if signed && !signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
            if line.is_empty() {
                continue;
            }
        }
        if note.is_empty() && line.is_empty() {
            continue;
        }
        signed |= signature;
        let _ = writeln!(note, "{line}");
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}
