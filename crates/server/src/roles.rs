//! Putting the parts together: what each role of the process needs, starts and stops.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use baeum_api::{ApiConfig, ApiState, ServeError, ServedShard};
use baeum_commands::{Commands, Ports, keys::KeyService};
use baeum_domain::{Clock, catalog::Catalog};
use baeum_eventlog::{EventLog, LogError, Options, nats::Broker, relay, sealer};
use baeum_projections::rebuild::SandboxError;
use futures::future::join_all;
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminError},
    audit::{self, AuditCommandError},
    calibrate::{self, CalibrateError},
    carrier::{CarrierConfig, CarrierFileError},
    catalog::{self, LoadError},
    clock::SystemClock,
    config::{Command, Config},
    database::{Database, DatabaseError, PATIENCE, PAUSE, patiently},
    demo::{self, ClientError},
    erasure::Eraser,
    evaluators::{EvaluatorsError, Installed},
    exchange::{self, ExchangeError},
    gateway::{self, GatewayError},
    keys::{self, FileKeys, KeysCommand, KeysError, NoKeys},
    listen::{self, ListenError},
    mastery::{self, FitError},
    model_command::{self, ModelsCommandError},
    models,
    notification::{self, NotificationsError},
    output,
    projections::{self, ProjectionsError},
    query::{self, QueryError},
    recommend::{self, RecommendError},
    replay::{self, ReplayError},
    reviews::{self, ReviewsError},
    sandbox, seal,
    shards::ShardConfig,
    subject::{self, SubjectCommand, SubjectError, SubjectShard},
    telemetry,
    travel::{self, ClockError, TravelClock},
    welcome,
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
    #[error(transparent)]
    Models(#[from] models::ModelsError),
    #[error("BAEUM_EVALUATORS (--evaluators): {0}")]
    Evaluators(#[from] EvaluatorsError),
    #[error(transparent)]
    ModelsCommand(#[from] ModelsCommandError),
    #[error(transparent)]
    Recommend(#[from] RecommendError),
    #[error("BAEUM_SPEECH_MODEL (--speech-model): {0}")]
    Listener(#[from] baeum_ml::learning::pronunciation::LoadError),
    #[error("BAEUM_MEANING_MODEL (--meaning-model): {0}")]
    Meaning(#[from] baeum_ml::learning::encoder::minilm::MiniLmError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("a learner is in one shard: say which with --shard")]
    OneShard,
    #[error(transparent)]
    Projections(#[from] ProjectionsError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    #[error(transparent)]
    Mastery(#[from] FitError),
    #[error(transparent)]
    Reviews(#[from] ReviewsError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error(transparent)]
    Notifications(#[from] NotificationsError),
    #[error("notifications cannot be sent: {0}")]
    Senders(String),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error(transparent)]
    Demo(#[from] ClientError),
    #[error(transparent)]
    Audit(#[from] AuditCommandError),
    #[error(transparent)]
    Carrier(#[from] CarrierFileError),
}

/// What every role may use.
struct Platform {
    config: Config,
    catalog: Arc<Catalog>,
    shards: Vec<OpenShard>,
    metrics: PrometheusHandle,
    /// Cancelled when the process is to end.
    stop: CancellationToken,
}

/// A shard that this process works for.
struct OpenShard {
    tenants: Vec<String>,
    /// The log, with its pool and clock.
    log: EventLog,
    /// Everything that can be done.
    commands: Commands,
    /// The broker, where there is one.
    broker: Option<Broker>,
}

/// Does what the configuration asks for, until it is done or `stop` is cancelled.
///
/// # Errors
/// Whatever keeps it from that.
#[allow(clippy::too_many_lines, reason = "an arm a subcommand")]
pub(crate) async fn run(config: Config, stop: CancellationToken) -> Result<(), RunError> {
    match &config.command {
        Command::Migrate => {
            with_databases(&config, &stop, async |_| Ok(())).await?;
            tracing::info!("the database has the schema of this build");
            Ok(())
        }
        Command::Replay(options) => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let present = recommend::recommender(&catalog, config.recommender.as_deref())?;
            let registry = || baeum_projections::registry(&models::models(&catalog));
            let replay = async |log: EventLog| {
                if stop.is_cancelled() {
                    return Ok(());
                }
                Ok(replay::run(&log, &present, &catalog, registry(), options, &stop).await?)
            };
            with_each_log(&config, &stop, replay).await
        }
        Command::Sandbox(command) => {
            let deed = async |log: EventLog| Ok(sandbox::run(&log, command).await?);
            with_each_log(&config, &stop, deed).await
        }
        Command::Query(options) => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            if config.shards.len() > 1 {
                return Err(RunError::OneShard);
            }
            let registry = baeum_projections::registry(&models::models(&catalog));
            let query = async |log: EventLog| Ok(query::run(&log, &registry, options).await?);
            with_each_log(&config, &stop, query).await
        }
        Command::Recommend(command) => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let present = recommend::recommender(&catalog, config.recommender.as_deref())?;
            let deed = async |log: EventLog| Ok(recommend::run(&log, present.clone(), command).await?);
            with_each_log(&config, &stop, deed).await
        }
        Command::Projections { command } => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let registry = baeum_projections::registry(&models::models(&catalog));
            let command = command.clone().unwrap_or_default();
            let operate = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                Ok(projections::run(&shards, &registry, &command).await?)
            };
            with_databases(&config, &stop, operate).await
        }
        Command::Audit(command) => {
            let audit = async |databases: &[Database]| {
                let mut logs = vec![];
                for database in databases {
                    logs.push(open_log(&config, database, None).await?);
                }
                tokio::select! {
                    done = audit::run_on_logs(&logs, command) => Ok(done?),
                    () = stop.cancelled() => Ok(()),
                }
            };
            with_databases(&config, &stop, audit).await
        }
        Command::Export(_) | Command::Import(_) => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let registry = baeum_projections::registry(&models::models(&catalog));
            let exchange = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                Ok(exchange::run(&shards, &registry, &config.command, &stop).await?)
            };
            with_databases(&config, &stop, exchange).await
        }
        Command::Calibrate(options) => {
            let catalog = catalog::load(config.catalog.as_deref())?;
            let deed = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                tokio::select! {
                    done = calibrate::run(&shards, &catalog, options) => Ok(done?),
                    () = stop.cancelled() => Ok(()),
                }
            };
            with_databases(&config, &stop, deed).await
        }
        Command::Mastery(command) => {
            let deed = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                tokio::select! {
                    done = mastery::run(&shards, command) => Ok(done?),
                    () = stop.cancelled() => Ok(()),
                }
            };
            with_databases(&config, &stop, deed).await
        }
        Command::Models(command) => {
            let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
            let ports = models::ports(&catalog, Arc::new(NoKeys), config.recommender.as_deref())?;
            let folder = config.evaluators.as_deref();
            let installed = Installed::open(ports.evaluators.built_in(), folder, config.serving.settings, None)?;
            let deed = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                Ok(model_command::run(&shards, &installed, command).await?)
            };
            with_databases(&config, &stop, deed).await
        }
        Command::Reviews(command) => {
            let deed = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                tokio::select! {
                    done = reviews::run(&shards, command) => Ok(done?),
                    () = stop.cancelled() => Ok(()),
                }
            };
            with_databases(&config, &stop, deed).await
        }
        Command::Keys(command) => run_keys(&config, command, &stop).await,
        Command::Subject(command) => run_subject(&config, command, &stop).await,
        Command::Notifications { command } => {
            let command = command.clone().unwrap_or_default();
            let operate = async |databases: &[Database]| {
                let shards = operated(&config, databases).await?;
                Ok(notification::run(&shards, &command).await?)
            };
            with_databases(&config, &stop, operate).await
        }
        Command::Clock(command) => {
            let url = config.gateway.as_ref().map(|it| it.url.as_str());
            let move_clock = async |databases: &[Database]| {
                let mut logs = vec![];
                for database in databases {
                    let clock = Arc::new(TravelClock::new(clock(&config)));
                    logs.push(EventLog::open(database.pool().clone(), clock, None, Options::default()).await?);
                }
                tokio::select! {
                    done = travel::run(&logs, url, command) => Ok(done?),
                    () = stop.cancelled() => Ok(()),
                }
            };
            with_databases(&config, &stop, move_clock).await
        }
        Command::Demo(options) => {
            let catalog = catalog::load(config.catalog.as_deref())?;
            tokio::select! {
                played = demo::run(options, catalog, clock(&config).new_id()) => Ok(played?),
                () = stop.cancelled() => Ok(()),
            }
        }
        _ => run_roles(config, stop).await,
    }
}

/// Makes or replaces the keys that wrap the keys of people.
async fn run_keys(config: &Config, command: &KeysCommand, stop: &CancellationToken) -> Result<(), RunError> {
    match command {
        KeysCommand::Create => return Ok(keys::create_file(&key_file(config))?),
        KeysCommand::Rotate => return Ok(keys::rotate_file(&key_file(config), &clock(config))?),
        _ => {}
    }
    let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
    let keys = Arc::new(FileKeys::open(&key_file(config))?);
    let ports = models::ports(&catalog, keys.clone(), config.recommender.as_deref())?;
    let deed = async |databases: &[Database]| {
        for database in databases {
            let log = open_log(config, database, None).await?;
            keys::run(command, &keys, &Commands::new(log, ports.clone())).await?;
        }
        Ok(())
    };
    with_databases(config, stop, deed).await
}

/// Writes out everything about a person, or has them forgotten.
async fn run_subject(config: &Config, command: &SubjectCommand, stop: &CancellationToken) -> Result<(), RunError> {
    let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
    let keys: Arc<dyn KeyService> = match command {
        SubjectCommand::Export { .. } => Arc::new(FileKeys::open(&key_file(config))?),
        SubjectCommand::Erase { .. } => Arc::new(NoKeys),
    };
    let ports = models::ports(&catalog, keys, config.recommender.as_deref())?;
    let registry = baeum_projections::registry(&models::models(&catalog));
    let deed = async |databases: &[Database]| {
        let mut shards = vec![];
        for (shard, database) in config.shards.iter().zip(databases) {
            let log = open_log(config, database, None).await?;
            let commands = Commands::new(log, ports.clone());
            shards.push(SubjectShard { commands, tenants: shard.tenants.clone() });
        }
        Ok(subject::run(&shards, &registry, command).await?)
    };
    with_databases(config, stop, deed).await
}

/// Opens the databases, does something with them, and closes them whatever came of it.
async fn with_databases(
    config: &Config,
    stop: &CancellationToken,
    task: impl AsyncFnOnce(&[Database]) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let databases = open_databases(config, stop).await?;
    let done = task(&databases).await;
    close_databases(databases).await;
    done
}

/// Does something with the log of each shard, one after the other.
async fn with_each_log(
    config: &Config,
    stop: &CancellationToken,
    task: impl AsyncFn(EventLog) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let one_by_one = async |databases: &[Database]| {
        for database in databases {
            let log = open_log(config, database, None).await?;
            if databases.len() > 1 {
                output::tell(format_args!("shard {}:", log.shard()));
            }
            task(log).await?;
        }
        Ok(())
    };
    with_databases(config, stop, one_by_one).await
}

async fn run_roles(config: Config, stop: CancellationToken) -> Result<(), RunError> {
    // What can be wrong without a server is found before one is waited for.
    let catalog = Arc::new(catalog::load(config.catalog.as_deref())?);
    let listener = match config.command {
        Command::Serve | Command::Api => Some(listen::bind("BAEUM_LISTEN", config.listen).await?),
        _ => None,
    };
    let operators = match config.metrics_listen {
        Some(address) => Some(listen::bind("BAEUM_METRICS_LISTEN", address).await?),
        None => None,
    };
    let gateway = gateway::open(config.gateway.as_ref())?;
    let metrics = telemetry::start_metrics()?;
    let databases = open_databases(&config, &stop).await?;
    let ended = async {
        let (keys, seals) = key_service(&config)?;
        let carrier = config.carrier.as_ref().map(CarrierConfig::connect).transpose()?;
        let speech = models::listener(config.speech_model.as_deref())?;
        let ports = models::ports(&catalog, keys, config.recommender.as_deref())?;
        let (meaning, settings) = (models::sentence_encoder(config.meaning_model.as_deref())?, config.serving.settings);
        let built_in = models::built_in(settings, meaning.as_ref())?;
        let installed = Installed::open(built_in, config.evaluators.as_deref(), settings, meaning.as_ref())?;
        let ports = Ports { listener: Some(speech), evaluators: Arc::new(installed), ..ports };
        let mut shards = vec![];
        for (shard, database) in config.shards.iter().zip(&databases) {
            let broker = connect_broker(&config, shard, &stop).await?;
            let log = patiently(&stop, async || open_log(&config, database, broker.clone()).await).await?;
            let mut commands = Commands::new(log.clone(), ports.clone())
                .with_notifications(config.notification.settings())
                .with_gateway(gateway.clone())
                .with_billing(config.billing.clone())
                .with_patience(config.serving.patience)
                .with_evaluators_that_let_wait(config.serving.settings.queue);
            if let Some(carrier) = &carrier {
                commands = commands.with_carrier(carrier.clone());
            }
            if seals {
                patiently(&stop, async || commands.vault().adopt().await).await.map_err(KeysError::Adopt)?;
            }
            shards.push(OpenShard { tenants: shard.tenants.clone(), log, commands, broker });
        }
        let platform = Platform { config, catalog, shards, metrics, stop: stop.clone() };
        let mut roles = start(&platform, listener, operators).await?;
        wait(&mut roles, &stop).await
    }
    .await;
    stop.cancel();
    close_databases(databases).await;
    tracing::info!("stopped");
    ended
}

/// Where the keys of this installation are.
fn key_file(config: &Config) -> PathBuf {
    config.key_file.clone().unwrap_or_else(|| config.data.join(keys::FILE))
}

/// The key service of this process, and whether it has one: roles that seal and open nothing need none.
fn key_service(config: &Config) -> Result<(Arc<dyn KeyService>, bool), KeysError> {
    match &config.key_file {
        Some(path) => Ok((Arc::new(FileKeys::open(path)?), true)),
        None if config.is_embedded() => Ok((Arc::new(FileKeys::of_data_folder(&config.data)?), true)),
        None => Ok((Arc::new(NoKeys), false)),
    }
}

/// The clock of this process, which tells when a drill has set it wrong.
fn clock(config: &Config) -> SystemClock {
    let offset = config.clock_offset;
    if !offset.is_zero() {
        tracing::warn!(seconds = offset.num_seconds(), "BAEUM_CLOCK_OFFSET_SECONDS: the clock is set wrong");
    }
    SystemClock { offset }
}

/// Opens the database of each shard, in the order of the configuration.
async fn open_databases(config: &Config, stop: &CancellationToken) -> Result<Vec<Database>, DatabaseError> {
    let mut databases = vec![];
    for shard in &config.shards {
        match Database::open(shard, &config.data, stop).await {
            Ok(database) => databases.push(database),
            Err(error) => {
                close_databases(databases).await;
                return Err(error);
            }
        }
    }
    Ok(databases)
}

async fn close_databases(databases: Vec<Database>) {
    join_all(databases.into_iter().map(Database::close)).await;
}

/// The log of each shard, for who works on the databases.
async fn operated(config: &Config, databases: &[Database]) -> Result<Vec<projections::OperatedShard>, LogError> {
    let mut shards = vec![];
    for (shard, database) in config.shards.iter().zip(databases) {
        let log = open_log(config, database, None).await?;
        shards.push(projections::OperatedShard { log, tenants: shard.tenants.clone() });
    }
    Ok(shards)
}

async fn open_log(config: &Config, database: &Database, broker: Option<Broker>) -> Result<EventLog, LogError> {
    let system = clock(config);
    let clock: Arc<dyn Clock> = if config.travels { Arc::new(TravelClock::new(system)) } else { Arc::new(system) };
    let log = EventLog::open(database.pool().clone(), clock, broker, Options::default()).await?;
    if config.travels {
        travel::follow(&log, system.now()).await?;
    }
    Ok(log)
}

/// Starts the roles of this process. Each ends when `platform.stop` is cancelled, and not before.
#[allow(clippy::too_many_lines, reason = "a paragraph a role")]
async fn start(
    platform: &Platform,
    listener: Option<TcpListener>,
    operators: Option<TcpListener>,
) -> Result<JoinSet<&'static str>, RunError> {
    let mut roles = JoinSet::new();
    let Platform { config, catalog, shards, stop, .. } = platform;
    let role = &config.command;
    let serves = |one: &Command| role == one || *role == Command::Serve;
    let models = models::models(catalog);
    let registry = baeum_projections::registry(&models);
    for OpenShard { log, commands, broker, .. } in shards {
        if let Some(broker) = broker.clone().filter(|_| serves(&Command::Relay)) {
            let (log, stop) = (log.clone(), stop.clone());
            roles.spawn(async move {
                relay::run(log, broker, stop).await;
                "relay"
            });
        }
        if serves(&Command::Seal)
            && let Some(options) = seal::options(config, log).map_err(AuditCommandError::from)?
        {
            let (log, stop) = (log.clone(), stop.clone());
            roles.spawn(async move {
                sealer::run(log, options, stop).await;
                "seal"
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
            let (of_sagas, until) = (commands.clone(), stop.clone());
            roles.spawn(async move {
                baeum_sagas::run(of_sagas, baeum_sagas::registry(), until).await;
                "process"
            });
            notification::dispatch(&mut roles, commands.clone(), &config.notification, stop.clone())
                .map_err(RunError::Senders)?;
            let eraser = Eraser::new(commands.clone(), registry.clone(), baeum_sagas::registry());
            let stop = stop.clone();
            roles.spawn(async move {
                eraser.run(stop).await;
                "erasures"
            });
        }
    }
    if listener.is_none() && operators.is_none() {
        return Ok(roles);
    }
    let embedded = config.is_embedded();
    let mut served = vec![];
    for OpenShard { tenants, log, commands, broker } in shards {
        let (sealed, until) = (log.clone(), stop.clone());
        roles.spawn(async move {
            sealer::watch_lag(sealed, until).await;
            "lag of the seal"
        });
        if let Some(broker) = broker {
            let (log, stream, stop) = (log.clone(), broker.stream().to_owned(), stop.clone());
            roles.spawn(async move {
                relay::watch_lag(log, stream, stop).await;
                "lag of the relay"
            });
        }
        let connected = broker.clone().map(|it| -> baeum_api::Connected { Arc::new(move || it.is_connected()) });
        let (tenants, commands) = (tenants.clone(), commands.clone());
        served.push(ServedShard { tenants, commands, broker_connected: connected });
    }
    let state = patiently(stop, async || {
        ApiState::new(ApiConfig {
            shards: served.clone(),
            models: models.clone(),
            registry: registry.clone(),
            metrics: platform.metrics.clone(),
            stop: stop.clone(),
            mode: if embedded { "embedded" } else { "production" },
            travel: config.travels.then(|| {
                let logs = shards.iter().map(|it| it.log.clone()).collect();
                travel::travel_of(logs, config.gateway.as_ref().map(|it| it.url.clone()))
            }),
        })
        .await
    });
    let state = state.await?;
    if let Some(listener) = operators {
        roles.spawn(serve(listener, baeum_api::router_for_operators(state.clone()), stop.clone(), "metrics"));
    }
    if let Some(listener) = listener {
        let admin = match &config.admin {
            None if embedded => Some(admin::of_data_folder(&config.data)?),
            given => given.clone(),
        };
        if let Some(admin) = admin {
            // Roles reach as far as a tenant, so each needs somebody who can grant them.
            for OpenShard { tenants, commands, .. } in shards {
                for tenant in tenants {
                    patiently(stop, async || admin::ensure(commands, tenant, admin.clone()).await).await?;
                }
            }
        }
        welcome::print(config, listener.local_addr().unwrap_or(config.listen));
        roles.spawn(serve(listener, baeum_api::router(state), stop.clone(), "api"));
    }
    Ok(roles)
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, name: &'static str) -> &'static str {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server ended");
    }
    name
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
async fn connect_broker(
    config: &Config,
    shard: &ShardConfig,
    stop: &CancellationToken,
) -> Result<Option<Broker>, RunError> {
    let Some(url) = &config.nats_url else { return Ok(None) };
    let began = Instant::now();
    loop {
        let tried = tokio::select! {
            tried = Broker::connect_replicated(url, &shard.stream, config.stream_replicas) => tried,
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
