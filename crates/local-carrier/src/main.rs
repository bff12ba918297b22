//! The local carrier as a process.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use baeum_local_carrier::{LocalCarrier, Receiver, Settings};
use clap::Parser;

/// A carrier for tests and demonstrations: it takes no parcel anywhere
#[derive(Parser)]
#[command(name = "baeum-local-carrier", version)]
struct Options {
    /// Where it listens
    #[arg(long, env = "LOCAL_CARRIER_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8091")]
    listen: SocketAddr,
    /// The key that its clients show
    #[arg(long, env = "LOCAL_CARRIER_KEY", value_name = "KEY", default_value = "ck_local")]
    key: String,
    /// Where messages go, for instance http://127.0.0.1:8080/v1/webhooks/carrier
    #[arg(long, env = "LOCAL_CARRIER_WEBHOOK", value_name = "URL")]
    webhook: Option<String>,
    /// The secret that they are signed with
    #[arg(long, env = "LOCAL_CARRIER_WEBHOOK_SECRET", value_name = "SECRET", default_value = "cs_local")]
    webhook_secret: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { listen, key, webhook, webhook_secret } = Options::parse();
    let receiver = webhook.map(|url| Receiver { url, secret: webhook_secret });
    let settings = Settings { listen, key, receiver, clock: Arc::new(seconds) };
    let carrier = match LocalCarrier::start(settings).await {
        Ok(carrier) => carrier,
        Err(error) => return fail(&error),
    };
    tell(&format!("the local carrier listens on {}", carrier.url()));
    if let Err(error) = tokio::signal::ctrl_c().await {
        return fail(&error);
    }
    match carrier.stop().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[allow(clippy::disallowed_methods, reason = "a process has the clock of its machine")]
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[allow(clippy::print_stdout, reason = "it is a command line")]
fn tell(text: &str) {
    println!("{text}");
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
