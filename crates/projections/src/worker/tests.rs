mod poison;
mod sharing;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::user::{Command, User},
    ids::UserId,
};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use super::*;
use crate::{
    Order, Personal, Policy, ProjectionError, ProjectionState, ProjectionStatus, rebuild, status,
    testing::{LEARNER, PATIENCE, World, date, in_a_world, preferences},
    wait_for,
};

/// Writes each event of a user down, and fails or panics at one of them for as long as it is told to.
#[derive(Default)]
struct Tally {
    fails_at: AtomicI64,
    panics_at: AtomicI64,
    loses_connection_at: AtomicI64,
    halts: AtomicBool,
    applied: AtomicUsize,
}

impl Projection for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tally"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "tally", of: "user_id = $1::text" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == User::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByAggregate
    }

    fn on_poison(&self) -> Policy {
        if self.halts.load(Ordering::Relaxed) { Policy::Halt } else { Policy::Park }
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            self.applied.fetch_add(1, Ordering::Relaxed);
            assert_ne!(event.position, self.panics_at.load(Ordering::Relaxed), "an event that nobody thought of");
            if event.position == self.loses_connection_at.load(Ordering::Relaxed) {
                sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut *db).await?;
            }
            let table = if event.position == self.fails_at.load(Ordering::Relaxed) { "no_such_table" } else { "tally" };
            // What was there before shows in which order events came.
            let sql = format!(
                "INSERT INTO {table} (position, user_id, before)
                 SELECT $1, $2, max(position) FROM tally WHERE user_id = $2"
            );
            sqlx::query(&sql).bind(event.position).bind(&event.aggregate_id).execute(db).await?;
            Ok(())
        })
    }
}

async fn create_tally(world: &World) -> Arc<Tally> {
    let sql = "CREATE TABLE tally (position bigint PRIMARY KEY, user_id text NOT NULL, before bigint)";
    sqlx::query(sql).execute(&world.pool).await.expect("a new table");
    Arc::new(Tally::default())
}

async fn tallied(world: &World) -> Vec<i64> {
    let sql = "SELECT position FROM tally ORDER BY position";
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("the tally can be read")
}

/// Whether the tally is, row by row, what it is when it is derived again.
async fn equals_a_rebuild(world: &World, tally: &Arc<Tally>) -> bool {
    let comparison = rebuild::compare(&world.log, tally.clone(), |_, _| {}).await.expect("a comparison");
    assert!(comparison.tables[0].live > 0);
    comparison.is_equal()
}

/// Waits until the tally has come to the head.
async fn caught_up(world: &World) {
    let head = world.log.head().await.expect("a head");
    wait_for(&world.pool, "tally", head, PATIENCE).await.expect("it comes to the head");
}

async fn register_others(world: &World, others: std::ops::Range<u128>) {
    for other in others {
        let user_id = UserId(Uuid::from_u128(other));
        let roles = [baeum_domain::identity::user::Role::Learner].into();
        let register = Command::Register { user_id, roles, preferences: preferences("UTC") };
        world.execute::<User>(user_id.0, register).await;
    }
}

/// Looks at the status of a projection until it is as wanted.
async fn status_when(
    world: &World,
    projections: &[Arc<dyn Projection>],
    name: &str,
    wanted: impl Fn(&ProjectionStatus) -> bool,
) -> ProjectionStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = status(&world.log, projections).await.expect("the status can be read");
        let found = all.into_iter().find(|it| it.name == name).expect("a projection of the registry");
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "the status stays {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs workers for as long as `meanwhile` takes.
async fn with_workers(world: &World, projections: &[Arc<dyn Projection>], meanwhile: impl AsyncFnOnce()) {
    let stop = CancellationToken::new();
    let workers = tokio::spawn(run(world.log.clone(), projections.to_vec(), stop.clone()));
    meanwhile().await;
    stop.cancel();
    workers.await.expect("the workers end in order");
}

/// A worker that owns every partition, at the cursor.
async fn worker(world: &World, projection: Arc<dyn Projection>) -> Worker {
    let mut worker = Worker::new(world.log.clone(), projection, LEARNER.0);
    worker.look_around().await.expect("a member");
    worker.reload().await.expect("cursors");
    worker
}

#[tokio::test]
async fn a_batch_that_is_delivered_twice_is_applied_once() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        register_others(world, 1..4).await;
        let stored = world.log.read(0, 10).await.expect("the log can be read");
        let mut worker = worker(world, tally.clone()).await;
        let outdated = worker.owned.clone();
        for _ in 0..2 {
            let front = worker.front().expect("partitions");
            assert!(worker.take_in(&front, stored.clone()).await.expect("the events are good"));
            assert_eq!((worker.front().expect("partitions").position, tallied(world).await), (3, vec![1, 2, 3]));
        }

        // A worker that does not know that another has come further applies nothing.
        worker.owned = outdated;
        let front = worker.front().expect("partitions");
        assert_eq!((front.position, front.partitions.len()), (0, 16));
        assert!(!worker.take_in(&front, stored).await.expect("the events are good"));
        assert_eq!(tally.applied.load(Ordering::Relaxed), 3);
    })
    .await;
}

#[tokio::test]
async fn a_projection_that_halts_is_recorded_at_its_event_and_recovers() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        tally.halts.store(true, Ordering::Relaxed);
        tally.fails_at.store(3, Ordering::Relaxed);
        register_others(world, 1..6).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        with_workers(world, &projections, async || {
            let failed = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Failed).await;
            assert_eq!((failed.position, failed.head, failed.lag), (2, 5, 3));
            assert!(failed.error.expect("a reason").contains("no_such_table"));
            assert_eq!(tallied(world).await, [1, 2], "what stands before the bad event is kept");
            let blamed: i64 = sqlx::query_scalar("SELECT DISTINCT error_position FROM projection_cursors")
                .fetch_one(&world.pool)
                .await
                .expect("a cursor");
            assert_eq!(blamed, 3);

            tally.fails_at.store(0, Ordering::Relaxed);
            let live = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Live).await;
            assert_eq!((live.position, live.lag, live.error), (5, 0, None));
            assert_eq!(tallied(world).await, [1, 2, 3, 4, 5]);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_failure_that_is_over_is_taken_back_without_a_new_event() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        register_others(world, 1..2).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally];
        with_workers(world, &projections, async || {
            wait_for(&world.pool, "tally", 1, PATIENCE).await.expect("it comes to the head");
        })
        .await;
        let now = world.log.clock().now();
        let why = Standstill { error: "the database went away", error_position: None };
        cursor::fail(&world.pool, "tally", &[3, 7], 1, why, now).await.expect("a cursor");
        let failed = status(&world.log, &projections).await.expect("the status can be read");
        assert_eq!(failed[0].state, ProjectionState::Failed);
        with_workers(world, &projections, async || {
            let live = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Live).await;
            assert_eq!(live.error, None);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_query_that_waits_in_vain_is_told_how_far_the_read_model_is() {
    in_a_world(async |world| {
        world.register().await;
        world.project().await;
        let behind = wait_for(&world.pool, "learners", 5, Duration::from_millis(30)).await.expect_err("behind");
        assert_eq!((behind.position, behind.wanted), (1, 5));
        assert_eq!(
            behind.to_string(),
            "the read model 'learners' is at position 1, not yet at 5: try again in a moment"
        );
        wait_for(&world.pool, "learners", 1, Duration::ZERO).await.expect("it is there");
        world.pool.close().await;
        let behind = wait_for(&world.pool, "learners", 1, Duration::ZERO).await.expect_err("no database");
        assert!(behind.source.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_log_longer_than_a_batch_is_taken_in_whole() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        register_others(world, 1..251).await;
        world.start_lesson(20, &date("2026-03-01").to_string()).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally];
        with_workers(world, &projections, async || {
            wait_for(&world.pool, "tally", 251, PATIENCE).await.expect("it comes to the head");
        })
        .await;
        assert_eq!(tallied(world).await.len(), 250);
    })
    .await;
}
