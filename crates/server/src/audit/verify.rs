//! `baeum audit verify`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use baeum_proof::{
    VerifierKey,
    audit::{self, Folder, Verified},
};

use super::{AuditCommandError, KeyFileError};
use crate::output::tell;

/// Verifies a folder and says what was found.
///
/// # Errors
/// The first wrong position, or a file that cannot be read.
pub(super) fn run(folder: &Path, keys: &[PathBuf], witnesses: &[PathBuf]) -> Result<(), AuditCommandError> {
    let mut known = vec![];
    for path in keys {
        known.extend(verifier_keys(path)?);
    }
    let it = audit::verify(&Folder::new(folder), &known, witnesses)?;
    let Verified { origin, floor, first, last, size, root, checkpoints, witnessed } = &it;
    tell(format_args!("honest: the log '{origin}' up to position {}", floor + size.cast_signed()));
    tell(format_args!("size {size}"));
    tell(format_args!("root {root}"));
    tell(format_args!("events {first} to {last}, {} after the latest checkpoint, not proven yet", it.unproven()));
    tell(format_args!("checkpoints {checkpoints}, {witnessed} of them from witnesses"));
    if *first > floor + 1 {
        tell(format_args!("the events before {first} are not in this folder: of them the hashes were verified alone"));
    }
    if *witnessed == 0 {
        tell(format_args!("no witness: that nothing was cut off after position {last} is not proven"));
    }
    Ok(())
}

/// The keys of a file; empty lines and those that begin with `#` are passed over.
fn verifier_keys(path: &Path) -> Result<Vec<VerifierKey>, KeyFileError> {
    let text = fs::read_to_string(path)
        .map_err(|error| KeyFileError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<VerifierKey>, _> = lines.map(str::parse).collect();
    let keys = keys.map_err(|source| KeyFileError::Wrong { path: path.to_owned(), source })?;
    if keys.is_empty() {
        return Err(KeyFileError::Empty(path.to_owned()));
    }
    Ok(keys)
}
