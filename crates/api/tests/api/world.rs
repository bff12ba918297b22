//! A database, a log, commands, read models and the router on top of them.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use baeum_api::{ApiConfig, ApiState, router};
use baeum_commands::Commands;
use baeum_eventlog::{EventLog, Options};
use baeum_projections::registry;
use baeum_testing::{TestClock, TestDatabase};
use futures::FutureExt as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::models::TestModels;

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
    in_a_world_with(Options::default(), test).await;
}

/// The same with a log that works so.
pub(crate) async fn in_a_world_with(options: Options, test: impl AsyncFnOnce(&World)) {
    crate::privacy::listen();
    let database = TestDatabase::create_with(1).await;
    let (world, workers) = World::open(database.pool.clone(), options).await;
    let result = AssertUnwindSafe(test(&world)).catch_unwind().await;
    world.stop.cancel();
    drop(world);
    workers.abort();
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl World {
    async fn open(pool: PgPool, options: Options) -> (Self, tokio::task::JoinHandle<()>) {
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(pool.clone(), clock.clone(), None, options).await.expect("a log");
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
