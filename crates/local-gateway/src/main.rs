//! The local gateway as a program.

use std::{
    fs,
    io::{self, IsTerminal as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use baeum_local_gateway::{LocalGateway, Settings, StartError, Webhook};
use clap::Parser;

/// Exit code for a command line that is wrong, as clap has it.
const USAGE: u8 = 2;

/// A payment gateway for tests and demonstrations, which speaks a part of Stripe's HTTP API and moves no money
#[derive(Debug, Parser)]
#[command(name = "baeum-local-gateway", version)]
struct CommandLine {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "BAEUM_GATEWAY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    listen: String,
    /// Where clients and browsers reach it, if not at that address: http://gateway:8090
    #[arg(long, env = "BAEUM_GATEWAY_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Where to send webhooks; without it nobody is told
    #[arg(long, env = "BAEUM_GATEWAY_WEBHOOK_URL", value_name = "URL")]
    webhook_url: Option<String>,
    /// A file with the secret to sign webhooks with
    #[arg(long, env = "BAEUM_GATEWAY_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// A file that lets a restart forget nothing; without it everything is forgotten
    #[arg(long, env = "BAEUM_GATEWAY_JOURNAL", value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The seed by which a plan of failures draws
    #[arg(long, env = "BAEUM_GATEWAY_SEED", value_name = "NUMBER", default_value = "1")]
    seed: String,
    /// The delay of slow answers, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value = "3000")]
    slow_ms: String,
    /// The delay of late webhooks, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value = "30000")]
    late_ms: String,
}

/// Why the command line is refused.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("--listen: '{0}' is no address and port: give one such as 127.0.0.1:8090")]
    Listen(String),
    #[error("{0}: '{1}' is no address of HTTP: give one such as http://127.0.0.1:8080/webhooks")]
    Url(&'static str, String),
    #[error("{0}: '{1}' is no whole number from 0 on")]
    Number(&'static str, String),
    #[error("--webhook-url and --webhook-secret-file need each other: webhooks are signed")]
    Half,
    #[error("--webhook-secret-file: {0} cannot be read: {1}")]
    SecretFile(PathBuf, io::Error),
    #[error("--webhook-secret-file: {0} must hold one line of visible ASCII, such as whsec_ and 32 letters")]
    Secret(PathBuf),
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl CommandLine {
    fn settings(self) -> Result<Settings, UsageError> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| UsageError::Listen(self.listen.clone()))?;
        let webhook = match (self.webhook_url, self.webhook_secret_file) {
            (None, None) => None,
            (Some(given), Some(file)) => {
                let retry = Duration::from_secs(1);
                Some(Webhook { url: url("--webhook-url", given)?, secret: secret(&file)?, retry })
            }
            _ => return Err(UsageError::Half),
        };
        let mut instance = [0; 12];
        getrandom::fill(&mut instance).map_err(UsageError::Random)?;
        Ok(Settings {
            listen,
            public_url: self.public_url.map(|it| url("--public-url", it)).transpose()?,
            webhook,
            journal: self.journal,
            seed: number("--seed", &self.seed)?,
            slow: Duration::from_millis(number("--slow-ms", &self.slow_ms)?),
            late: Duration::from_millis(number("--late-ms", &self.late_ms)?),
            ..Settings::new(Arc::new(now), instance.map(|byte| format!("{byte:02x}")).concat())
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the one real clock of this program")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn number(flag: &'static str, text: &str) -> Result<u64, UsageError> {
    text.parse().map_err(|_| UsageError::Number(flag, text.to_owned()))
}

fn url(flag: &'static str, text: String) -> Result<String, UsageError> {
    match reqwest::Url::parse(&text) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(UsageError::Url(flag, text)),
    }
}

fn secret(file: &Path) -> Result<String, UsageError> {
    let text = fs::read_to_string(file).map_err(|error| UsageError::SecretFile(file.to_owned(), error))?;
    let secret = text.trim();
    if secret.is_empty() || !secret.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(UsageError::Secret(file.to_owned()));
    }
    Ok(secret.to_owned())
}

fn main() -> ExitCode {
    let words = match CommandLine::try_parse() {
        Ok(words) => words,
        Err(error) if error.use_stderr() => {
            // Its first line says what is wrong; the others repeat the help.
            eprintln!("{}", error.to_string().lines().next().unwrap_or_default());
            return ExitCode::from(USAGE);
        }
        Err(help) => help.exit(),
    };
    let settings = match words.settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    lines.with_max_level(tracing::Level::INFO).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: threads cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
}

async fn run(settings: Settings) -> Result<(), RunError> {
    let signal = signal().map_err(RunError::Signals)?;
    let journal = settings.journal.clone();
    let gateway = LocalGateway::start(settings).await?;
    tracing::info!(url = gateway.url(), journal = journal.map(|it| it.display().to_string()), "listening");
    signal.await;
    tracing::info!("stopping");
    gateway.stop().await;
    Ok(())
}

/// The first SIGTERM or SIGINT, listened for from now on.
#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
