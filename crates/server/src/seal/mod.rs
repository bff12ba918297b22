//! Sealing the log: with which key, how often, and who is shown it.

mod witness;

use std::{path::PathBuf, sync::Arc, time::Duration};

use baeum_eventlog::{
    EventLog,
    sealer::{SealOptions, Witness},
};
use clap::Args;

use crate::{
    audit::key::{self, KeyFileError},
    config::{Command, Config},
};

/// Name of the key file in the data folder of an embedded installation.
const FILE: &str = "seal-key.pem";

/// What the command line says of the seal, as it was written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SealWords {
    /// File of the private key that signs checkpoints of the log (Ed25519, PKCS #8 in PEM)
    #[arg(id = "seal_key", long = "seal-key", env = "BAEUM_SEAL_KEY_FILE", value_name = "FILE", global = true)]
    key: Option<String>,
    /// Name of this installation in its checkpoints, which no other has, such as school.example
    #[arg(id = "seal_origin", long = "seal-origin", env = "BAEUM_SEAL_ORIGIN", value_name = "NAME")]
    #[arg(default_value = "baeum.local", global = true)]
    origin: String,
    /// How often the log is sealed when there is news
    #[arg(
        id = "seal_interval_ms",
        long = "seal-interval-ms",
        env = "BAEUM_SEAL_INTERVAL_MS",
        value_name = "MILLISECONDS"
    )]
    #[arg(default_value = "1000", global = true)]
    interval_ms: String,
    /// A file outside the database's disk that each checkpoint is appended to
    #[arg(id = "seal_witness", long = "seal-witness", env = "BAEUM_SEAL_WITNESS", value_name = "FILE", global = true)]
    witness: Option<String>,
    #[arg(help = "An HTTP endpoint that each checkpoint is posted to")]
    #[arg(id = "seal_witness_url", long = "seal-witness-url", env = "BAEUM_SEAL_WITNESS_URL", value_name = "URL")]
    #[arg(hide_env_values = true, global = true)]
    witness_url: Option<String>,
}

/// What is said of the seal, each value right by itself.
#[derive(Clone)]
pub(crate) struct SealConfig {
    key: Option<PathBuf>,
    /// The name before that of the shard.
    pub(crate) origin: String,
    interval: Duration,
    witness: Option<PathBuf>,
    witness_url: Option<String>,
}

impl SealWords {
    /// Checks them; `wrong` is told the names of what is not right, and why.
    pub(crate) fn checked(self, mut wrong: impl FnMut(&str, String)) -> SealConfig {
        let sound = |it: &str| it.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/'));
        if !sound(&self.origin) || !(1..=200).contains(&self.origin.len()) {
            let why = "is no name: use letters, digits, '.', '-', '_' and '/', for instance school.example";
            wrong("BAEUM_SEAL_ORIGIN (--seal-origin)", why.to_owned());
        }
        let interval = self.interval_ms.parse::<u64>().ok().filter(|it| (10..=3_600_000).contains(it));
        if interval.is_none() {
            let why = format!("is '{}': give milliseconds, 10 to 3600000", self.interval_ms);
            wrong("BAEUM_SEAL_INTERVAL_MS (--seal-interval-ms)", why);
        }
        for (name, value) in
            [("BAEUM_SEAL_KEY_FILE (--seal-key)", &self.key), ("BAEUM_SEAL_WITNESS (--seal-witness)", &self.witness)]
        {
            if value.as_ref().is_some_and(|it| it.trim().is_empty()) {
                wrong(name, "is empty: give a file, or leave it out".to_owned());
            }
        }
        let url = self.witness_url.as_ref();
        let speaks_http = |it: &String| reqwest::Url::parse(it).is_ok_and(|it| matches!(it.scheme(), "http" | "https"));
        if url.is_some_and(|it| !speaks_http(it)) {
            // It is not repeated: it may hold a token.
            let why = "is no URL: give https://host/path, or leave it out".to_owned();
            wrong("BAEUM_SEAL_WITNESS_URL (--seal-witness-url)", why);
        }
        SealConfig {
            key: self.key.map(Into::into),
            origin: self.origin,
            interval: Duration::from_millis(interval.unwrap_or(1_000)),
            witness: self.witness.map(Into::into),
            witness_url: self.witness_url,
        }
    }
}

impl SealConfig {
    /// Whether a key was given.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The file of the key: the one that was given, or that of the data folder of an embedded installation.
    pub(crate) fn key_file(&self, config: &Config) -> Option<PathBuf> {
        self.key.clone().or_else(|| config.is_embedded().then(|| config.data.join(FILE)))
    }
}

/// How this process is to seal a log; `None` where it has no key to do so, which is told.
///
/// # Errors
/// When the key cannot be read, or not be made in the data folder.
pub(crate) fn options(config: &Config, log: &EventLog) -> Result<Option<SealOptions>, KeyFileError> {
    let seal = &config.seal;
    let Some(path) = seal.key_file(config) else {
        if config.command == Command::Seal {
            return Err(KeyFileError::None);
        }
        tracing::warn!(
            "BAEUM_SEAL_KEY_FILE is not set: this process does not seal the log, so nothing proves that it was not \
             changed unless `baeum seal` runs elsewhere"
        );
        return Ok(None);
    };
    if !seal.has_key() && !path.exists() {
        key::make(&path)?;
        tracing::info!(file = %path.display(), "a key was made that seals the log: keep a copy of it elsewhere");
    }
    let mut witnesses: Vec<Arc<dyn Witness>> = vec![];
    if let Some(path) = &seal.witness {
        witnesses.push(Arc::new(witness::FileWitness::new(path.clone())));
    }
    if let Some(url) = &seal.witness_url {
        witnesses.push(Arc::new(witness::HttpWitness::new(url)));
    }
    let signer = key::signer(&path, &seal.origin, log.shard())?;
    Ok(Some(SealOptions { signer, interval: seal.interval, witnesses }))
}
