//! Putting the parts together: what each role of the process needs, starts and stops.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_api::{ApiConfig, ApiState, KeyError};
use baeum_commands::Commands;
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
    admin::{self, AdminError},
    catalog::{self, LoadError},
    clock::SystemClock,
    config::{Command, Config},
    database::{Database, DatabaseError, PATIENCE, PAUSE},
    demo::{self, ClientError},
    listen::{self, ListenError},
    models,
    projections::{self, ProjectionsError},
    replay::{self, ReplayError},
    telemetry, welcome,
};

/// Whose log this server keeps: one tenant for now, named in every event.
pub(crate) const TENANT: &str = "main";

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
    #[error("the evaluator cannot be loaded: {0}")]
    Evaluator(#[from] baeum_ml::learning::error_detector::LoadError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Projections(#[from] ProjectionsError),
    #[error(transparent)]
    Demo(#[from] ClientError),
}

/// What every role may use.
pub(crate) struct Platform {
    /// The configuration.
    pub(crate) config: Config,
    /// The content.
    pub(crate) catalog: Arc<Catalog>,
    /// The log, with its pool and clock.
    pub(crate) log: EventLog,
    /// Everything that can be done.
    pub(crate) commands: Commands,
    /// The broker, where there is one.
    pub(crate) broker: Option<Broker>,
    /// Renders the metrics.
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
        Command::Replay { projection, verify } => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let database = Database::open(&config, &stop).await?;
            let replayed = async {
                let log = open_log(&database, None).await?;
                let registry = baeum_projections::registry(&models::models(&catalog));
                tokio::select! {
                    replayed = replay::run(&log, registry, projection, *verify) => replayed?,
                    () = stop.cancelled() => tracing::info!("stopped by a signal; the live tables are as they were"),
                }
                Ok(())
            };
            let replayed = replayed.await;
            database.close().await;
            replayed
        }
        Command::Projections { command } => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let database = Database::open(&config, &stop).await?;
            let done = async {
                let log = open_log(&database, None).await?;
                let registry = baeum_projections::registry(&models::models(&catalog));
                projections::run(&log, &registry, &command.clone().unwrap_or_default()).await?;
                Ok(())
            };
            let done = done.await;
            database.close().await;
            done
        }
        Command::Demo(options) => {
            let catalog = catalog::load(config.catalog.as_deref())?;
            tokio::select! {
                played = demo::run(options, catalog, SystemClock.new_id()) => Ok(played?),
                () = stop.cancelled() => Ok(()),
            }
        }
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
        let log = open_log(&database, broker.clone()).await?;
        let commands = Commands::new(log.clone(), models::ports(&catalog)?);
        let platform = Platform { config, catalog, log, commands, broker, metrics, stop: stop.clone() };
        let mut roles = start(&platform, listener).await?;
        wait(&mut roles, &stop).await
    }
    .await;
    stop.cancel();
    database.close().await;
    tracing::info!("stopped");
    ended
}

async fn open_log(database: &Database, broker: Option<Broker>) -> Result<EventLog, LogError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    EventLog::open(database.pool().clone(), clock, broker, Options::default()).await
}

/// Starts the roles of this process. Each ends when `platform.stop` is cancelled, and not before.
async fn start(platform: &Platform, listener: Option<TcpListener>) -> Result<JoinSet<&'static str>, RunError> {
    let mut roles = JoinSet::new();
    let Platform { config, catalog, log, commands, broker, stop, .. } = platform;
    let role = &config.command;
    let serves = |one: &Command| role == one || *role == Command::Serve;
    let models = models::models(catalog);
    let registry = baeum_projections::registry(&models);
    if let Some(broker) = broker.clone().filter(|_| serves(&Command::Relay)) {
        let (log, stop) = (log.clone(), stop.clone());
        roles.spawn(async move {
            relay::run(log, broker, stop).await;
            "relay"
        });
    }
    if serves(&Command::Project) {
        let (log, registry, stop) = (log.clone(), registry.clone(), stop.clone());
        roles.spawn(async move {
            baeum_projections::run(log, registry, stop).await;
            "project"
        });
    }
    if serves(&Command::Process) {
        let (commands, stop) = (commands.clone(), stop.clone());
        roles.spawn(async move {
            baeum_sagas::run(commands, baeum_sagas::registry(), stop).await;
            "process"
        });
    }
    if let Some(listener) = listener {
        let embedded = config.database.is_none();
        let admin = match &config.admin {
            None if embedded => Some(admin::of_data_folder(&config.data)?),
            given => given.clone(),
        };
        if let Some(admin) = admin {
            admin::ensure(commands, admin).await?;
        }
        let connected = broker.clone().map(|it| -> baeum_api::Connected { Arc::new(move || it.is_connected()) });
        let state = ApiState::new(ApiConfig {
            tenant: TENANT.to_owned(),
            commands: commands.clone(),
            models,
            registry,
            metrics: platform.metrics.clone(),
            broker_connected: connected,
            stop: stop.clone(),
            mode: if embedded { "embedded" } else { "production" },
        });
        let router = baeum_api::router(state.await?);
        welcome::print(config, listener.local_addr().unwrap_or(config.listen));
        let stop = stop.clone();
        roles.spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the HTTP server ended");
            }
            "api"
        });
    }
    Ok(roles)
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
