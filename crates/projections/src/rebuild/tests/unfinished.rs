//! Rebuilds that are killed, stopped, gone on with and given up; and those of several workers.

use baeum_domain::{
    AnyEvent, Recorded,
    ids::{LessonId, UserId, ViewingId},
    learning::lesson::{Command as LessonCommand, Lesson},
    progress::{
        knowledge_tracing::Tracing,
        progress::{Command as ProgressCommand, Evidence, Progress as Aggregate},
    },
};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::*;
use crate::{
    BoxFuture, Order, Personal,
    progress::progress::Progress,
    testing::{date, plan},
};

/// What many learners do. Their events are of all partitions.
async fn live_together(world: &World, learners: u128) -> i64 {
    for number in 0..learners {
        let learner_id = UserId(Uuid::from_u128(1_000 + number));
        let lesson = Uuid::from_u128(2_000 + number);
        let (lesson_id, local_date) = (LessonId(lesson), date("2026-03-01"));
        world.execute::<Lesson>(lesson, LessonCommand::Start { lesson_id, learner_id, plan: plan(), local_date }).await;
        let watch = LessonCommand::ConsumeClip {
            viewing_id: ViewingId(lesson),
            clip_id: "cafe".parse().expect("a clip id"),
            watched_ms: 1_000,
            speed_percent: 100,
            repeats: vec![],
            local_date,
        };
        world.execute::<Lesson>(lesson, watch).await;
        world.attempt(2_000 + number, 3_000 + number, 0.5).await;
        let evidence =
            vec![Evidence { skill: baeum_domain::level::Skill::Writing, focus: None, outcome: 0.3, weight: 1.0 }];
        let source_type = "EvaluationCompleted".to_owned();
        let tracing = Tracing::default();
        let observe = ProgressCommand::Observe { learner_id, source_position: 1, source_type, evidence, tracing };
        world.execute::<Aggregate>(learner_id.0, observe).await;
    }
    world.log.head().await.expect("a head")
}

/// Rebuilds until it was told of `steps` steps, then cancels.
async fn pause_after(world: &World, steps: usize) -> Outcome {
    let options = Options::default();
    let mut told = 0;
    let outcome = rebuild_with(&world.log, Arc::new(Progress), &options, |_, _| {
        told += 1;
        if told > steps {
            options.stop.cancel();
        }
    });
    outcome.await.expect("it pauses")
}

/// The first position that a rebuild to the end is told of.
async fn finish(world: &World, projection: Arc<dyn Projection>, from_scratch: bool) -> i64 {
    let mut began = None;
    let options = Options { from_scratch, ..Options::default() };
    let outcome = rebuild_with(&world.log, projection, &options, |done, _| {
        began.get_or_insert(done);
    })
    .await;
    let head = world.log.head().await.expect("a head");
    assert_eq!(outcome.expect("a rebuild"), Outcome::Rebuilt(head));
    began.expect("it tells")
}

#[tokio::test]
async fn a_rebuild_that_is_killed_again_and_again_comes_to_the_same_rows() {
    for connections in [1, 8] {
        in_a_world_with(connections, async |world| {
            let head = live_together(world, 40).await;
            world.project().await;
            let live = rows(world).await;
            let mut furthest = 0;
            for steps in [0, 1, 0, 2, 1] {
                let (tell, mut told) = mpsc::unbounded_channel();
                let log = world.log.clone();
                let rebuilding = tokio::spawn(async move {
                    rebuild(&log, Arc::new(Progress), |done, _| {
                        let _ = tell.send(done);
                    })
                    .await
                });
                let began = told.recv().await.expect("it tells where it begins");
                assert!(began >= furthest, "what was committed is not done again: {began}, {furthest}");
                // What lags furthest behind has come further.
                while told.recv().await.is_some_and(|done| done <= furthest) {}
                for _ in 0..steps {
                    told.recv().await;
                }
                rebuilding.abort();
                assert!(rebuilding.await.is_err(), "it was killed before its end");
                // As after a kill: whoever goes on need not wait for the lease.
                execute(world, "DELETE FROM leases").await;
                furthest = kept(world, "rebuild_progress").await.expect("unfinished");
                if furthest > head / 2 {
                    break;
                }
            }
            assert!(furthest > 0 && furthest < head, "it was killed midway: {furthest} of {head}");
            assert!(finish(world, Arc::new(Progress), false).await >= furthest);
            assert_eq!((rows(world).await, schemas(world).await), (live, 0));
            assert_eq!(kept(world, "rebuild_progress").await, None);
        })
        .await;
    }
}

#[tokio::test]
async fn a_paused_rebuild_is_gone_on_with_unless_it_is_begun_anew_or_by_another_version() {
    in_a_world(async |world| {
        let head = live_together(world, 40).await;
        world.project().await;
        let live = rows(world).await;
        for (from_scratch, version, goes_on) in [(false, 2, true), (true, 2, false), (false, 3, false)] {
            let Outcome::Paused(position) = pause_after(world, 2).await else { panic!("it is paused") };
            assert!((1..head).contains(&position), "{position} of {head}");
            assert_eq!((rows(world).await, kept(world, "rebuild_progress").await), (live.clone(), Some(position)));
            // Whoever goes on keeps this.
            execute(world, "UPDATE rebuild_progress.progress_history SET mastery = 9").await;
            let began = finish(world, Arc::new(Versioned(version)), from_scratch).await;
            assert_eq!((began, rows(world).await == live), if goes_on { (position, false) } else { (0, true) });
            finish(world, Arc::new(Progress), true).await;
        }
    })
    .await;
}

/// Progress as another build has it.
struct Versioned(u32);

impl Projection for Versioned {
    fn name(&self) -> &'static str {
        Progress.name()
    }

    fn tables(&self) -> &'static [&'static str] {
        Progress.tables()
    }

    fn personal(&self) -> &'static [Personal] {
        Progress.personal()
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        Progress.reads(aggregate_type)
    }

    fn order(&self) -> Order {
        Progress.order()
    }

    fn version(&self) -> u32 {
        self.0
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Progress.apply(db, event)
    }
}

#[tokio::test]
async fn any_number_of_workers_gives_the_same_rows() {
    in_a_world_with(10, async |world| {
        world.live_a_day().await;
        let head = live_together(world, 30).await;
        world.project().await;
        let live = rows(world).await;
        for workers in [1, 3, 8, 100] {
            for projection in registry(&world.models) {
                let options = Options { workers, ..Options::default() };
                let outcome = rebuild_with(&world.log, projection, &options, |_, _| {}).await;
                assert_eq!(outcome.expect("a rebuild"), Outcome::Rebuilt(head));
            }
            assert_eq!(rows(world).await, live, "{workers} workers");
        }
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_comes_to_its_end_while_events_keep_coming() {
    in_a_world_with(10, async |world| {
        live_together(world, 10).await;
        let stop = CancellationToken::new();
        let workers = tokio::spawn(run(world.log.clone(), registry(&world.models), stop.clone()));
        let events = async {
            let mut number = 0;
            while !stop.is_cancelled() {
                number += 1;
                world.start_lesson(10_000 + number, "2026-03-05").await;
            }
        };
        let rebuilds = async {
            for _ in 0..3 {
                rebuild(&world.log, Arc::new(Progress), |_, _| {}).await.expect("a rebuild");
            }
            compare(&world.log, Arc::new(Progress), |_, _| {}).await.expect("a comparison that comes to its end");
            stop.cancel();
        };
        tokio::join!(events, rebuilds);
        workers.await.expect("the workers end in order");
        world.project().await;
        let comparison = compare(&world.log, Arc::new(Progress), |_, _| {}).await.expect("a comparison");
        assert!(comparison.is_equal(), "{comparison:?}");
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_on_with_a_rebuild_puts_the_earlier_run_out() {
    in_a_world(async |world| {
        let head = live_together(world, 5).await;
        let stop = CancellationToken::new();
        let mut earlier = Shadow::new(&world.log, Arc::new(Progress), "rebuild");
        earlier.create().await.expect("tables");
        let mut later = Shadow::new(&world.log, Arc::new(Progress), "rebuild");
        assert!(later.resume().await.expect("a database"));
        let error = earlier.follow(1, &stop, &mut |_, _| {}).await.expect_err("it was put out");
        assert!(matches!(error, RebuildError::Busy { .. }), "{error}");
        assert!(earlier.take_over(false).await.is_err());
        assert!(later.follow(1, &stop, &mut |_, _| {}).await.expect("it goes on"));
        assert_eq!(later.take_over(false).await.expect("it takes over"), Some(head));
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_parks_what_the_live_tables_have_parked() {
    in_a_world(async |world| {
        world.live_a_day().await;
        world.append_foreign("lesson", "LessonFlown", "1").await;
        world.start_lesson(99, "2026-03-05").await;
        world.project().await;
        let parked = async || {
            let sql = "SELECT to_jsonb(p)::text FROM parked_streams p WHERE projection = 'lessons'";
            let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("a table");
            found
        };
        let live = (rows(world).await, parked().await);
        assert_eq!(live.1.len(), 1);
        execute(world, "DELETE FROM parked_streams").await;
        rebuild(&world.log, find(world, "lessons"), |_, _| {}).await.expect("a rebuild");
        assert_eq!((rows(world).await, parked().await), live);
    })
    .await;
}
