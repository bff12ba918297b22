//! The key file: the wrapping keys of this installation, and `baeum keys`, which makes and replaces them.
//!
//! The file is the key service of who has none: whoever has both it and the database can read personal data, so keep it
//! apart from the database and its backups. Several keys may stand in it, the newest first: that one wraps, all unwrap.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use baeum_commands::{
    Commands,
    keys::{KeyError, KeyRing, KeyService, SecretKey, WrappedKey},
    vault::{AdoptError, VaultError},
};
use baeum_domain::{Clock, Entropy};
use baeum_projections::BoxFuture;
use clap::Subcommand;
use serde::Deserialize;

use crate::{entropy::SystemEntropy, output::tell, private_file};

/// Name of the key file in the data folder of an embedded installation.
pub(crate) const FILE: &str = "keys.toml";

/// What is wanted of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key file where there is none
    Create,
    /// The wrapping keys of the file, and how many keys of people each has wrapped
    List,
    /// Put a new wrapping key at the head of the file; restart the servers, then `baeum keys rewrap`
    Rotate,
    /// Wrap every key that an older wrapping key has wrapped anew by the newest
    Rewrap,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// There is none.
    #[error(
        "BAEUM_KEY_FILE (--key-file): there is no key file {0}: make one with `baeum keys create`, or give the one that \
         this database was made with"
    )]
    NoFile(String),
    /// It cannot be read or written.
    #[error("BAEUM_KEY_FILE (--key-file): the key file {path} cannot be used: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// What stands in it is no key file.
    #[error("BAEUM_KEY_FILE (--key-file): {path} is not a key file: {problem}: restore it from where you keep a copy")]
    Wrong {
        /// Which.
        path: String,
        /// What is wrong; it quotes no key.
        problem: String,
    },
    /// It does not serve for the database.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Keys could not be wrapped anew.
    #[error("keys were not wrapped anew: {0}: do it again")]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error("the keys of people cannot be read: {0}")]
    Database(#[from] sqlx::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    digest: Secret,
    #[serde(rename = "wrapping")]
    wrapping: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    secret: String,
}

/// Keys of a file. A key that is not known yet has the file read again: another process may have rotated it.
pub(crate) struct FileKeys {
    path: PathBuf,
    ring: RwLock<Arc<KeyRing>>,
}

impl FileKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or is no key file.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        Ok(Self { path: path.to_owned(), ring: RwLock::new(Arc::new(read(path)?)) })
    }

    /// The keys of an embedded installation, made at its first start.
    ///
    /// # Errors
    /// As [`FileKeys::open`].
    pub(crate) fn of_data_folder(data: &Path) -> Result<Self, KeysError> {
        let path = data.join(FILE);
        if !path.exists() {
            create(&path, "1")?;
        }
        Self::open(&path)
    }

    /// The name of the newest wrapping key.
    pub(crate) fn newest(&self) -> String {
        self.ring().names().next().expect("a ring has a wrapping key").to_owned()
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn unwrap_or_read_again(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SecretKey, KeyError> {
        match self.ring().unwrap_now(wrapped, context) {
            Err(KeyError::Unknown(_)) => {
                let ring = Arc::new(read(&self.path).map_err(|error| KeyError::Unavailable(error.to_string()))?);
                *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
                ring.unwrap_now(wrapped, context)
            }
            known => known,
        }
    }
}

impl KeyService for FileKeys {
    fn wrap<'a>(&'a self, key: &'a SecretKey, context: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KeyError>> {
        Box::pin(std::future::ready(self.ring().wrap_now(key, context)))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a [u8]) -> BoxFuture<'a, Result<SecretKey, KeyError>> {
        Box::pin(async move { self.unwrap_or_read_again(wrapped, context) })
    }

    fn digest<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<[u8; 32], KeyError>> {
        Box::pin(std::future::ready(Ok(self.ring().digest_now(text))))
    }
}

/// Keys that a process does without which seals and opens nothing: whoever asks is told so.
pub(crate) struct NoKeys;

fn none<T>() -> Result<T, KeyError> {
    Err(KeyError::Unavailable("this process was started without BAEUM_KEY_FILE (--key-file)".to_owned()))
}

impl KeyService for NoKeys {
    fn wrap<'a>(&'a self, _: &'a SecretKey, _: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KeyError>> {
        Box::pin(std::future::ready(none()))
    }

    fn unwrap<'a>(&'a self, _: &'a WrappedKey, _: &'a [u8]) -> BoxFuture<'a, Result<SecretKey, KeyError>> {
        Box::pin(std::future::ready(none()))
    }

    fn digest<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<[u8; 32], KeyError>> {
        Box::pin(std::future::ready(none()))
    }
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> KeysError {
    let path = path.display().to_string();
    move |error| match error.kind() {
        io::ErrorKind::NotFound => KeysError::NoFile(path.clone()),
        _ => KeysError::File { path: path.clone(), error },
    }
}

fn read(path: &Path) -> Result<KeyRing, KeysError> {
    let text = fs::read_to_string(path).map_err(unusable(path))?;
    let wrong = |problem: &str| KeysError::Wrong { path: path.display().to_string(), problem: problem.to_owned() };
    // The message of the parser would quote the line, and so a key.
    let file: File = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |it| text[..it.start.min(text.len())].matches('\n').count() + 1);
        wrong(&format!("line {line} is not as `baeum keys create` writes it"))
    })?;
    let mut wrapping: Vec<(String, SecretKey)> = vec![];
    for Named { name, secret } in file.wrapping {
        let named = (1..=64).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if !named || wrapping.iter().any(|(known, _)| *known == name) {
            return Err(wrong("a wrapping key has no name of its own"));
        }
        let key =
            from_hex(&secret).ok_or_else(|| wrong(&format!("the wrapping key '{name}' has not 64 hex digits")))?;
        wrapping.push((name, key));
    }
    if wrapping.is_empty() {
        return Err(wrong("it has no wrapping key"));
    }
    let digest = from_hex(&file.digest.secret).ok_or_else(|| wrong("the key of digests has not 64 hex digits"))?;
    Ok(KeyRing::new(wrapping, digest, Arc::new(SystemEntropy)))
}

fn from_hex(text: &str) -> Option<SecretKey> {
    let mut key = SecretKey::default();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

fn new_secret() -> String {
    let mut key = SecretKey::default();
    SystemEntropy.fill(key.as_mut_slice());
    key.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const HEADING: &str = "# The keys that wrap the keys of people. Whoever has this file and the database can read personal data; without this
# file nobody can, for ever. Keep it apart from the database, and a copy of it in a safe place.
";

fn create(path: &Path, name: &str) -> Result<(), KeysError> {
    let text = format!(
        "{HEADING}\n# By this, addresses are found. It never changes.\n[digest]\nsecret = \"{}\"\n\n# The newest comes \
         first: it wraps, all unwrap.\n[[wrapping]]\nname = \"{name}\"\nsecret = \"{}\"\n",
        new_secret(),
        new_secret()
    );
    private_file::write_new(path, &text).map_err(unusable(path))
}

/// `baeum keys create`: no database is opened.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn create_file(path: &Path) -> Result<(), KeysError> {
    if path.exists() {
        FileKeys::open(path)?;
        tell(format_args!("{} is there already, and stays as it is", path.display()));
        return Ok(());
    }
    create(path, "1")?;
    tell(format_args!("{} was made: keep a copy of it in a safe place, apart from the database", path.display()));
    Ok(())
}

/// `baeum keys rotate`: no database is opened.
///
/// # Errors
/// When the file is not there, or cannot be written.
pub(crate) fn rotate_file(path: &Path, clock: &dyn Clock) -> Result<(), KeysError> {
    read(path)?;
    let text = fs::read_to_string(path).map_err(unusable(path))?;
    let name = format!("{}-{}", clock.now().format("%Y%m%d"), &clock.new_id().simple().to_string()[24..]);
    let entry = format!("[[wrapping]]\nname = \"{name}\"\nsecret = \"{}\"\n\n", new_secret());
    let at = text.find("[[wrapping]]").unwrap_or(text.len());
    let beside = path.with_extension("new");
    // What an earlier try has left was never used.
    let _ = fs::remove_file(&beside);
    private_file::write_new(&beside, &format!("{}{entry}{}", &text[..at], &text[at..])).map_err(unusable(&beside))?;
    read(&beside)?;
    fs::rename(&beside, path).map_err(unusable(path))?;
    tell(format_args!(
        "the wrapping key '{name}' was put into {}: restart every server with it, then run `baeum keys rewrap`",
        path.display()
    ));
    Ok(())
}

/// `baeum keys list` and `baeum keys rewrap` in one shard.
///
/// # Errors
/// When the file does not serve for the database, or one of them cannot be read.
pub(crate) async fn run(command: &KeysCommand, keys: &FileKeys, commands: &Commands) -> Result<(), KeysError> {
    let vault = commands.vault();
    vault.adopt().await?;
    if *command == KeysCommand::Rewrap {
        let rewrapped = vault.rewrap(&keys.newest()).await?;
        tell(format_args!("{} keys were wrapped anew by '{}'", rewrapped.keys, keys.newest()));
        if rewrapped.keys > 0 {
            vault.compact().await?;
        }
    }
    let used = vault.wrapped_by().await?;
    for name in keys.ring().names() {
        let count = used.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
        let hint = if count == 0 && name != keys.newest() { " (not needed by this database any more)" } else { "" };
        tell(format_args!("{name}: {count} keys of people{hint}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::TempDir::new().expect("a folder")
    }

    #[test]
    fn a_new_file_is_read_back_and_never_overwritten() {
        let folder = folder();
        let path = folder.path().join(FILE);
        create_file(&path).expect("made");
        let text = fs::read_to_string(&path).expect("readable");
        create_file(&path).expect("kept");
        assert_eq!(fs::read_to_string(&path).expect("readable"), text);
        assert_eq!(FileKeys::open(&path).expect("a key file").newest(), "1");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("there").permissions());
            assert_eq!(mode & 0o777, 0o600, "others can read it");
        }
    }

    #[test]
    fn after_a_rotation_the_new_key_is_the_newest_and_a_running_process_finds_it() {
        let folder = folder();
        let path = folder.path().join(FILE);
        create_file(&path).expect("made");
        let running = FileKeys::open(&path).expect("a key file");
        let key = SecretKey::from([7; 32]);
        let old = running.ring().wrap_now(&key, b"mina").expect("wrapped");
        rotate_file(&path, &crate::clock::SystemClock { offset: chrono::TimeDelta::zero() }).expect("rotated");
        let restarted = FileKeys::open(&path).expect("a key file");
        assert_ne!(restarted.newest(), "1");
        let new = restarted.ring().wrap_now(&key, b"mina").expect("wrapped");
        for wrapped in [&old, &new] {
            assert_eq!(running.unwrap_or_read_again(wrapped, b"mina").expect("unwrapped"), key);
            assert_eq!(restarted.unwrap_or_read_again(wrapped, b"mina").expect("unwrapped"), key);
        }
        assert_eq!(running.ring().digest_now("a"), restarted.ring().digest_now("a"), "addresses are still found");
    }

    #[test]
    fn a_file_that_is_none_is_told_without_a_key() {
        let folder = folder();
        let path = folder.path().join(FILE);
        assert!(matches!(FileKeys::open(&path), Err(KeysError::NoFile(_))));
        let secret = "ab".repeat(32);
        for wrong in [
            String::new(),
            format!("[digest]\nsecret = \"{secret}\"\n"),
            format!("[digest]\nsecret = \"{secret}\"\n[[wrapping]]\nname = \"1\"\nsecret = \"{secret}x\"\n"),
            format!("[digest]\nsecret = \"{secret}\n[[wrapping]]\nname = \"1\"\nsecret = \"{secret}\"\n"),
            format!("wrapping = []\n[digest]\nsecret = \"{secret}\"\n"),
        ] {
            fs::write(&path, &wrong).expect("written");
            let told = FileKeys::open(&path).err().expect("refused").to_string();
            assert!(told.contains("is not a key file") && !told.contains("abab"), "{told}");
        }
    }
}
