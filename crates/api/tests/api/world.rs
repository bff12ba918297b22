//! A database, a log, commands, read models and the router on top of them.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use baeum_api::{ApiConfig, ApiState, router};
use baeum_commands::Commands;
use baeum_domain::Clock;
use baeum_eventlog::{EventLog, Options};
use baeum_projections::registry;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::models::TestModels;

/// A clock that can be set forward.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn forward(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Everything that a test needs. The pool has one connection, as the embedded database has.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) commands: Commands,
    pub(crate) router: Router,
    pub(crate) models: Arc<TestModels>,
    pub(crate) broker: Arc<AtomicBool>,
    pub(crate) stop: CancellationToken,
}

/// Runs a test in a new database, which is dropped at its end.
pub(crate) async fn in_a_world(test: impl AsyncFnOnce(&World)) {
    crate::privacy::listen();
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://root@127.0.0.1/test".to_owned());
    let options: PgConnectOptions = url.parse().expect("DATABASE_URL is a URL of Postgres");
    let name = format!("api_{}", Uuid::now_v7().simple());
    let mut server = options.connect().await.expect("Postgres runs");
    sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut server).await.expect("a new database");
    let (world, workers) = World::open(options.database(&name)).await;
    let result = AssertUnwindSafe(test(&world)).catch_unwind().await;
    world.stop.cancel();
    drop(world);
    workers.abort();
    let dropped = sqlx::query(&format!("DROP DATABASE {name} WITH (FORCE)")).execute(&mut server).await;
    let _ = server.close().await;
    if let Err(panic) = result {
        resume_unwind(panic);
    }
    dropped.expect("the database can be dropped");
}

impl World {
    async fn open(options: PgConnectOptions) -> (Self, tokio::task::JoinHandle<()>) {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(10));
        let pool = pool.connect_with(options).await.expect("the new database can be reached");
        baeum_eventlog::migrate(&pool).await.expect("the migrations run");
        let clock = Arc::new(TestClock::default());
        let log = EventLog::open(pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let models = TestModels::new();
        let commands = Commands::new(log.clone(), models.ports());
        let projections = registry(&models.models());
        let stop = CancellationToken::new();
        let workers = tokio::spawn(baeum_projections::run(log, projections.clone(), stop.clone()));
        let broker = Arc::new(AtomicBool::new(true));
        let connected = broker.clone();
        let state = ApiState::new(ApiConfig {
            tenant: "main".into(),
            commands: commands.clone(),
            models: models.models(),
            registry: projections,
            metrics: metrics(),
            broker_connected: Some(Arc::new(move || connected.load(Ordering::SeqCst))),
            stop: stop.clone(),
            mode: "production",
        });
        let router = router(state.await.expect("the keys can be read"));
        (Self { pool, clock, commands, router, models, broker, stop }, workers)
    }
}

fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || PrometheusBuilder::new().install_recorder().expect("the first recorder");
    HANDLE.get_or_init(install).clone()
}
