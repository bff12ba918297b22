//! A database, a log, commands, read models and the router on top of them.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use baeum_api::{ApiConfig, ApiState, ServedShard, router};
use baeum_commands::Commands;
use baeum_domain::position::Shard;
use baeum_eventlog::{EventLog, Options};
use baeum_projections::registry;
use baeum_testing::{TestClock, TestDatabase};
use futures::FutureExt as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio::task::JoinHandle;
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
    /// What can be done in the second shard, where there is one.
    pub(crate) other: Option<Commands>,
}

/// Runs a test in a new database, which is dropped at its end.
pub(crate) async fn in_a_world(test: impl AsyncFnOnce(&World)) {
    in_a_world_with(Options::default(), test).await;
}

/// The same with a log that works so.
pub(crate) async fn in_a_world_with(options: Options, test: impl AsyncFnOnce(&World)) {
    crate::privacy::listen();
    let database = TestDatabase::create_with(1).await;
    run(test, database.pool.clone(), None, options).await;
}

/// The same with a second shard, number 1, for the tenant `daegu`.
pub(crate) async fn in_two_shards(test: impl AsyncFnOnce(&World)) {
    let (one, other) = (TestDatabase::create_with(1).await, TestDatabase::create_with(1).await);
    let shard = Shard::new(1).expect("a shard");
    baeum_eventlog::shard::assign(&other.pool, shard).await.expect("an empty log");
    run(test, one.pool.clone(), Some(other.pool.clone()), Options::default()).await;
}

async fn run(test: impl AsyncFnOnce(&World), pool: PgPool, other: Option<PgPool>, options: Options) {
    let (world, workers) = World::open(pool, other, options).await;
    let result = AssertUnwindSafe(test(&world)).catch_unwind().await;
    world.stop.cancel();
    drop(world);
    for worker in workers {
        worker.abort();
    }
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl World {
    async fn open(pool: PgPool, other: Option<PgPool>, options: Options) -> (Self, Vec<JoinHandle<()>>) {
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let models = TestModels::new();
        let (ports, projections) = (models.ports(), registry(&models.models()));
        let stop = CancellationToken::new();
        let mut workers = vec![];
        let mut shard = async |pool: PgPool| {
            let log = EventLog::open(pool, clock.clone(), None, options.clone()).await.expect("a log");
            workers.push(tokio::spawn(baeum_projections::run(log.clone(), projections.clone(), stop.clone())));
            Commands::new(log, ports.clone())
                .with_billing(crate::billing::policy())
                .with_carrier(crate::kits::carrier())
        };
        let commands = shard(pool.clone()).await;
        let other = match other {
            Some(pool) => Some(shard(pool).await),
            None => None,
        };
        let broker = Arc::new(AtomicBool::new(true));
        let connected = broker.clone();
        let mut shards = vec![ServedShard {
            tenants: vec!["main".into(), "busan".into()],
            commands: commands.clone(),
            broker_connected: Some(Arc::new(move || connected.load(Ordering::SeqCst))),
        }];
        shards.extend(other.clone().map(|commands| ServedShard {
            tenants: vec!["daegu".into()],
            commands,
            broker_connected: None,
        }));
        let state = ApiState::new(ApiConfig {
            shards,
            models: models.models(),
            registry: projections,
            metrics: metrics(),
            stop: stop.clone(),
            mode: "production",
            travel: None,
        });
        let router = router(state.await.expect("the keys can be read"));
        (Self { pool, clock, commands, router, models, broker, stop, other }, workers)
    }
}

fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || PrometheusBuilder::new().install_recorder().expect("the first recorder");
    HANDLE.get_or_init(install).clone()
}
