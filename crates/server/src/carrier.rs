//! The carrier that kits are handed to: where it is, and the files of what is agreed on with it.

use std::{fs, path::PathBuf, sync::Arc};

use baeum_carrier::{ConfigError, HttpCarrier};
use baeum_domain::kit::carrier::Carrier;
use clap::Args;

/// What the command line says of the carrier, as it was written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CarrierWords {
    /// Address of the carrier's API that kits are handed to; without one they wait
    #[arg(id = "carrier_url", long = "carrier-url", env = "BAEUM_CARRIER_URL", value_name = "URL", global = true)]
    url: Option<String>,
    /// File of the key that the carrier knows this installation by
    #[arg(id = "carrier_key_file", long = "carrier-key-file", env = "BAEUM_CARRIER_KEY_FILE", value_name = "FILE")]
    #[arg(global = true)]
    key_file: Option<String>,
    /// File of the secret that the carrier signs its messages with
    #[arg(id = "carrier_secret_file", long = "carrier-secret-file", env = "BAEUM_CARRIER_SECRET_FILE")]
    #[arg(value_name = "FILE", global = true)]
    secret_file: Option<String>,
}

/// Where the carrier is, with the files of key and secret.
#[derive(Clone)]
pub(crate) struct CarrierConfig {
    url: String,
    key_file: PathBuf,
    secret_file: PathBuf,
}

/// Why there is no carrier.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CarrierFileError {
    #[error("{name}: the file {path} cannot be read: {source}")]
    Unreadable { name: &'static str, path: String, source: std::io::Error },
    #[error("BAEUM_CARRIER_URL: {0}")]
    Config(#[from] ConfigError),
}

impl CarrierWords {
    /// Checks them; `wrong` is told the names of what is not right, and why.
    pub(crate) fn checked(self, mut wrong: impl FnMut(&str, String)) -> Option<CarrierConfig> {
        let given = [
            ("BAEUM_CARRIER_URL (--carrier-url)", &self.url),
            ("BAEUM_CARRIER_KEY_FILE (--carrier-key-file)", &self.key_file),
            ("BAEUM_CARRIER_SECRET_FILE (--carrier-secret-file)", &self.secret_file),
        ];
        if given.iter().all(|(_, value)| value.is_none()) {
            return None;
        }
        for (name, value) in given {
            match value {
                None => wrong(name, "is missing beside the others of the carrier: give all three or none".to_owned()),
                Some(value) if value.trim().is_empty() => wrong(name, "is empty: leave it out".to_owned()),
                Some(_) => {}
            }
        }
        let files = self.key_file.zip(self.secret_file);
        let (url, (key_file, secret_file)) = self.url.zip(files)?;
        Some(CarrierConfig { url, key_file: key_file.into(), secret_file: secret_file.into() })
    }
}

impl CarrierConfig {
    /// The carrier.
    ///
    /// # Errors
    /// When a file cannot be read, or what is in it cannot be used.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Carrier>, CarrierFileError> {
        let read = |name, path: &PathBuf| {
            let text = fs::read_to_string(path);
            text.map(|text| text.trim().to_owned()).map_err(|source| CarrierFileError::Unreadable {
                name,
                path: path.display().to_string(),
                source,
            })
        };
        let key = read("BAEUM_CARRIER_KEY_FILE", &self.key_file)?;
        let secret = read("BAEUM_CARRIER_SECRET_FILE", &self.secret_file)?;
        Ok(Arc::new(HttpCarrier::new(&self.url, &key, &secret)?))
    }
}
