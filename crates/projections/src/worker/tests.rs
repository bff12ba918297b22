use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

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
    Order, ProjectionError, ProjectionState, ProjectionStatus, registry, status,
    testing::{LEARNER, PATIENCE, World, date, in_a_world, preferences},
    wait_for,
};

/// Writes each event of a user down, and fails or panics at one of them for as long as it is told to.
#[derive(Default)]
struct Tally {
    fails_at: AtomicI64,
    panics_at: AtomicI64,
    applied: AtomicUsize,
}

impl Projection for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tally"]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == User::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByAggregate
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            self.applied.fetch_add(1, Ordering::Relaxed);
            assert_ne!(event.position, self.panics_at.load(Ordering::Relaxed), "an event that nobody thought of");
            let table = if event.position == self.fails_at.load(Ordering::Relaxed) { "no_such_table" } else { "tally" };
            let sql = format!("INSERT INTO {table} (position) VALUES ($1)");
            sqlx::query(&sql).bind(event.position).execute(db).await?;
            Ok(())
        })
    }
}

async fn create_tally(world: &World) -> Arc<Tally> {
    sqlx::query("CREATE TABLE tally (position bigint PRIMARY KEY)").execute(&world.pool).await.expect("a new table");
    Arc::new(Tally::default())
}

async fn tallied(world: &World) -> Vec<i64> {
    let sql = "SELECT position FROM tally ORDER BY position";
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("the tally can be read")
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

fn worker(world: &World, projection: Arc<dyn Projection>) -> Worker {
    let lease = Lease::new(world.pool.clone(), "test", LEARNER.0);
    let (log, feed) = (world.log.clone(), world.log.feed());
    Worker { log, projection, lease, feed, position: 0, pause: PAUSES.0, settled: false }
}

#[tokio::test]
async fn a_batch_that_is_delivered_twice_is_applied_once() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        register_others(world, 1..4).await;
        let stored = world.log.read(0, 10).await.expect("the log can be read");
        let mut worker = worker(world, tally.clone());
        cursor::open(&world.pool, "tally", world.log.clock().now()).await.expect("a cursor");
        for _ in 0..2 {
            let page = page(tally.as_ref(), worker.position, stored.clone());
            worker.take_in(page).await.expect("the events are good");
        }
        assert_eq!((worker.position, tallied(world).await), (3, vec![1, 2, 3]));

        // A worker that does not know that another has come further applies nothing, and learns where the cursor is.
        worker.position = 0;
        let page = page(tally.as_ref(), 0, stored);
        worker.take_in(page).await.expect("the events are good");
        assert_eq!((worker.position, tally.applied.load(Ordering::Relaxed)), (3, 3));
    })
    .await;
}

#[tokio::test]
async fn a_failing_projection_is_recorded_at_its_event_and_recovers() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        tally.fails_at.store(3, Ordering::Relaxed);
        register_others(world, 1..6).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        with_workers(world, &projections, async || {
            let failed = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Failed).await;
            assert_eq!((failed.position, failed.head, failed.lag), (2, 5, 3));
            assert!(failed.error.expect("a reason").contains("no_such_table"));
            assert_eq!(tallied(world).await, [1, 2], "what stands before the bad event is kept");
            let blamed: i64 = sqlx::query_scalar("SELECT error_position FROM projection_cursors WHERE name = 'tally'")
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
        cursor::fail(&world.pool, "tally", 1, "the database went away", None, now).await.expect("a cursor");
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
async fn a_panic_of_a_projection_is_a_failure_like_others() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        tally.panics_at.store(2, Ordering::Relaxed);
        register_others(world, 1..4).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        with_workers(world, &projections, async || {
            let failed = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Failed).await;
            assert!(failed.error.expect("a reason").contains("an event that nobody thought of"));
            tally.panics_at.store(0, Ordering::Relaxed);
            status_when(world, &projections, "tally", |it| it.state == ProjectionState::Live).await;
            assert_eq!(tallied(world).await, [1, 2, 3]);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_event_from_the_future_stops_only_the_projections_that_read_it() {
    in_a_world(async |world| {
        let before = world.live_a_day().await;
        let foreign = world.append_foreign("recommendation", "RecommendationGenerated", "9").await;
        world.append_foreign("spaceship", "Launched", "1").await;
        let projections = registry(&world.models);
        with_workers(world, &projections, async || {
            let failed = |it: &ProjectionStatus| it.state == ProjectionState::Failed;
            let stopped = status_when(world, &projections, "recommendations", failed).await;
            assert_eq!((stopped.position, stopped.lag), (before, 2));
            assert_eq!(
                stopped.error.expect("a reason"),
                format!(
                    "event RecommendationGenerated version 9 at position {foreign} cannot be read by this build: \
                     this build knows it up to version 1: upgrade"
                )
            );
            for projection in projections.iter().filter(|it| it.name() != "recommendations") {
                let live = |it: &ProjectionStatus| it.state == ProjectionState::Live;
                status_when(world, &projections, projection.name(), live).await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn another_process_takes_over_when_one_stops() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        with_workers(world, &projections, async || {
            with_workers(world, &projections, async || {
                register_others(world, 1..3).await;
                wait_for(&world.pool, "tally", 2, PATIENCE).await.expect("one of the two is active");
            })
            .await;
            register_others(world, 3..5).await;
            wait_for(&world.pool, "tally", 4, PATIENCE).await.expect("the other one is active");
        })
        .await;
        assert_eq!((tallied(world).await, tally.applied.load(Ordering::Relaxed)), (vec![1, 2, 3, 4], 4));
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
