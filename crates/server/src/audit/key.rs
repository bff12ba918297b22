//! The key that seals, as a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use baeum_domain::{Entropy as _, position::Shard};
use baeum_proof::{KeyError, Signer};

use crate::{config::Config, entropy::SystemEntropy, output::tell, private_file};

/// A key file that cannot be used. What is in it is not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("the key file {} cannot be read: {why}", .path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("the key file {} is wrong: {source}", .path.display())]
    Wrong { path: PathBuf, source: KeyError },
    #[error("the key file {} holds no key", .0.display())]
    Empty(PathBuf),
    #[error("the key file {} cannot be written: {error}", .path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error(
        "there is no key to seal with: give BAEUM_SEAL_KEY_FILE (--seal-key), or make one with `baeum audit key --new FILE`"
    )]
    None,
}

/// The signer of a shard, with the key of this file.
///
/// # Errors
/// When the file cannot be read, or holds no key.
pub(crate) fn signer(path: &Path, origin: &str, shard: Shard) -> Result<Signer, KeyFileError> {
    let pem = fs::read_to_string(path)
        .map_err(|error| KeyFileError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    Signer::from_pem(&pem, &format!("{origin}/shard-{shard}"))
        .map_err(|source| KeyFileError::Wrong { path: path.to_owned(), source })
}

/// Writes a new key, which only the owner of the file can read. An existing file is left as it is, and refused.
///
/// # Errors
/// When the file exists or cannot be written.
pub(crate) fn make(path: &Path) -> Result<(), KeyFileError> {
    let mut seed = [0; 32];
    SystemEntropy.fill(&mut seed);
    let pem = Signer::pem(&seed).map_err(|source| KeyFileError::Wrong { path: path.to_owned(), source })?;
    private_file::write_new(path, &pem).map_err(|error| KeyFileError::Unwritable { path: path.to_owned(), error })
}

/// Prints the verifier key of each shard.
///
/// # Errors
/// When there is no key, or it cannot be read or written.
pub(super) fn print(config: &Config, new: Option<&Path>) -> Result<(), KeyFileError> {
    if let Some(path) = new {
        make(path)?;
    }
    let path = new.map(Path::to_owned).or_else(|| config.seal.key_file(config)).ok_or(KeyFileError::None)?;
    for shard in &config.shards {
        tell(signer(&path, &config.seal.origin, shard.number)?.verifier());
    }
    Ok(())
}
