//! Putting the parts together: what each role of the process needs, starts and stops.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_domain::{Clock, catalog::Catalog};
use baeum_eventlog::{EventLog, LogError, Options, nats::Broker, relay};
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{self, LoadError},
    clock::SystemClock,
    config::{Command, Config},
    database::{Database, DatabaseError, PATIENCE, PAUSE},
    listen::{self, ListenError},
    telemetry,
};

/// How long the roles may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(20);

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Catalog(#[from] LoadError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("NATS_URL: {0}: start the server, or correct it")]
    Broker(LogError),
    #[error("metrics cannot be collected: {0}")]
    Metrics(#[from] BuildError),
    #[error("signals cannot be listened to: {0}")]
    Signals(std::io::Error),
    #[error("the role '{0}' ended unexpectedly: see the log")]
    Ended(&'static str),
    #[error("there is no read model '{0}'")]
    NoProjection(String),
}

/// What every role may use.
pub(crate) struct Platform {
    /// The configuration.
    #[expect(dead_code, reason = "the API and its administrator will read it")]
    pub(crate) config: Config,
    /// The content.
    #[expect(dead_code, reason = "the API and the sagas will read it")]
    pub(crate) catalog: Arc<Catalog>,
    /// The log, with its pool and clock.
    pub(crate) log: EventLog,
    /// The broker, where there is one.
    pub(crate) broker: Option<Broker>,
    /// Renders the metrics.
    #[expect(dead_code, reason = "the API will show it")]
    pub(crate) metrics: PrometheusHandle,
    /// Cancelled when the process is to end.
    pub(crate) stop: CancellationToken,
}

/// Does what the configuration asks for, until it is done or `stop` is cancelled.
///
/// # Errors
/// Whatever keeps it from that.
pub(crate) async fn run(config: Config, stop: CancellationToken) -> Result<(), RunError> {
    match &config.command {
        Command::Migrate => {
            let database = Database::open(&config, &stop).await?;
            database.close().await;
            tracing::info!("the database has the schema of this build");
            Ok(())
        }
        Command::Replay { projection, .. } => Err(RunError::NoProjection(projection.clone())),
        _ => run_roles(config, stop).await,
    }
}

async fn run_roles(config: Config, stop: CancellationToken) -> Result<(), RunError> {
    // What can be wrong without a server is found before one is waited for.
    let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
    let listener = match config.command {
        Command::Serve | Command::Api => Some(listen::bind(config.listen).await?),
        _ => None,
    };
    let metrics = telemetry::start_metrics()?;
    let database = Database::open(&config, &stop).await?;
    let ended = async {
        let broker = connect_broker(&config, &stop).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let log = EventLog::open(database.pool().clone(), clock, broker.clone(), Options::default()).await?;
        let platform = Platform { config, catalog, log, broker, metrics, stop: stop.clone() };
        let mut roles = start(&platform, listener);
        wait(&mut roles, &stop).await
    }
    .await;
    stop.cancel();
    database.close().await;
    tracing::info!("stopped");
    ended
}

/// Starts the roles of this process. Each ends when `platform.stop` is cancelled, and not before.
fn start(platform: &Platform, listener: Option<TcpListener>) -> JoinSet<&'static str> {
    let mut roles = JoinSet::new();
    // The projections and the sagas are started here as well.
    if let Some(listener) = listener {
        // The API takes this place, with the listener.
        let stop = platform.stop.clone();
        roles.spawn(async move {
            stop.cancelled().await;
            drop(listener);
            "api"
        });
    }
    if let Some(broker) = &platform.broker {
        let relay = relay::run(platform.log.clone(), broker.clone(), platform.stop.clone());
        roles.spawn(async move {
            relay.await;
            "relay"
        });
    }
    roles
}

/// Waits for the signal, then for the roles to end.
async fn wait(roles: &mut JoinSet<&'static str>, stop: &CancellationToken) -> Result<(), RunError> {
    tokio::select! {
        Some(ended) = roles.join_next() => {
            if !stop.is_cancelled() {
                return Err(RunError::Ended(ended.unwrap_or("panicked")));
            }
        }
        () = stop.cancelled() => {}
    }
    let drained = timeout(DRAIN, async { while roles.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("not every role ended within {} s", DRAIN.as_secs());
        roles.abort_all();
    }
    Ok(())
}

/// Connects to the broker, where one is configured; waits as long for it as for the database.
async fn connect_broker(config: &Config, stop: &CancellationToken) -> Result<Option<Broker>, RunError> {
    let Some(url) = &config.nats_url else { return Ok(None) };
    let began = Instant::now();
    loop {
        let tried = tokio::select! {
            tried = Broker::connect(url, &config.stream) => tried,
            () = stop.cancelled() => return Ok(None),
        };
        match tried {
            Ok(broker) => return Ok(Some(broker)),
            Err(error) if began.elapsed() + PAUSE > PATIENCE => return Err(RunError::Broker(error)),
            Err(error) => tracing::warn!(%error, "the broker does not answer yet"),
        }
        sleep(PAUSE).await;
    }
}
