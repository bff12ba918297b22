//! The payment gateway: where it is, and the files of its secrets.

use std::{fs, path::PathBuf, sync::Arc};

use baeum_domain::subscription::gateway::MaybeGateway;
use baeum_gateway::{SetupError, StripeGateway};
use clap::Args;

/// What the command line says of the gateway, as it was written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GatewayWords {
    /// Address of the payment gateway: https://api.stripe.com, or that of a local gateway; without it charges wait
    #[arg(id = "gateway_url", long = "gateway-url", env = "BAEUM_GATEWAY_URL", value_name = "URL", global = true)]
    url: Option<String>,
    /// File of its secret key (sk_… or rk_…)
    #[arg(id = "gateway_key_file", long = "gateway-key-file", env = "BAEUM_GATEWAY_KEY_FILE", value_name = "FILE")]
    #[arg(global = true)]
    key_file: Option<String>,
    /// File of the secrets that sign its webhooks, one a line: several while one replaces another
    #[arg(id = "gateway_webhook_secret_file", long = "gateway-webhook-secret-file", value_name = "FILE")]
    #[arg(env = "BAEUM_GATEWAY_WEBHOOK_SECRET_FILE", global = true)]
    webhook_secret_file: Option<String>,
}

/// What is said of the gateway, each value right by itself.
#[derive(Clone)]
pub(crate) struct GatewayConfig {
    /// Where it is.
    pub(crate) url: String,
    key_file: PathBuf,
    webhook_secret_file: Option<PathBuf>,
}

/// Why the gateway cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// A file cannot be read.
    #[error("{0}: {1} cannot be read: {2}")]
    File(&'static str, PathBuf, std::io::Error),
    /// What is in it is wrong.
    #[error("BAEUM_GATEWAY_URL, BAEUM_GATEWAY_KEY_FILE: {0}")]
    Setup(#[from] SetupError),
}

const KEY_FILE: &str = "BAEUM_GATEWAY_KEY_FILE (--gateway-key-file)";
const SECRET_FILE: &str = "BAEUM_GATEWAY_WEBHOOK_SECRET_FILE (--gateway-webhook-secret-file)";

impl GatewayWords {
    /// Checks them; `wrong` is told the names of what is not right, and why.
    pub(crate) fn checked(self, mut wrong: impl FnMut(&str, String)) -> Option<GatewayConfig> {
        for (name, value) in [(KEY_FILE, &self.key_file), (SECRET_FILE, &self.webhook_secret_file)] {
            if value.as_ref().is_some_and(|it| it.trim().is_empty()) {
                wrong(name, "is empty: give a file, or leave it out".to_owned());
            }
        }
        match (self.url, self.key_file) {
            (None, None) => {
                if self.webhook_secret_file.is_some() {
                    wrong(SECRET_FILE, "is given without BAEUM_GATEWAY_URL: say where the gateway is".to_owned());
                }
                None
            }
            (Some(url), Some(key_file)) => {
                let sound = reqwest::Url::parse(&url);
                if !sound.is_ok_and(|it| it.has_host() && matches!(it.scheme(), "http" | "https")) {
                    let why = format!("is '{url}': give an address such as https://api.stripe.com");
                    wrong("BAEUM_GATEWAY_URL (--gateway-url)", why);
                }
                let webhook_secret_file = self.webhook_secret_file.map(Into::into);
                Some(GatewayConfig { url, key_file: key_file.into(), webhook_secret_file })
            }
            (Some(_), None) => {
                wrong(KEY_FILE, "is missing beside BAEUM_GATEWAY_URL: give both or none".to_owned());
                None
            }
            (None, Some(_)) => {
                let why = "is missing beside BAEUM_GATEWAY_KEY_FILE: give both or none".to_owned();
                wrong("BAEUM_GATEWAY_URL (--gateway-url)", why);
                None
            }
        }
    }
}

/// The gateway that was configured, if one was. Nothing is sent yet.
///
/// # Errors
/// A file that cannot be read, or a key or secret that cannot be one.
pub(crate) fn open(config: Option<&GatewayConfig>) -> Result<MaybeGateway, GatewayError> {
    let Some(config) = config else { return Ok(None) };
    let read =
        |name, path: &PathBuf| fs::read_to_string(path).map_err(|error| GatewayError::File(name, path.clone(), error));
    let key = read(KEY_FILE, &config.key_file)?.trim().to_owned();
    let secrets = match &config.webhook_secret_file {
        Some(path) => read(SECRET_FILE, path)?,
        None => String::new(),
    };
    let secrets = secrets.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect();
    Ok(Some(Arc::new(StripeGateway::new(config.url.clone(), key, secrets)?)))
}
