use baeum_domain::ids::LessonId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

mod sandboxes;
mod unfinished;

use super::*;
use crate::{
    identity::learners::{self, Learner},
    learning::lessons,
    progress::progress::{self, LearnerProgress},
    registry, run,
    testing::{LEARNER, PATIENCE, World, in_a_world, in_a_world_with},
    wait_for,
};

/// Every row of every read model, as text.
async fn rows(world: &World) -> Vec<String> {
    let mut rows = vec![];
    for table in registry(&world.models).iter().flat_map(|projection| projection.tables()) {
        let sql = format!("SELECT '{table} ' || to_jsonb(t)::text AS line FROM {table} t ORDER BY line");
        let found: Vec<String> = sqlx::query_scalar(&sql).fetch_all(&world.pool).await.expect("a table");
        rows.extend(found);
    }
    rows
}

/// What queries show of the learner.
async fn shown(world: &World) -> (Option<Learner>, Option<LearnerProgress>) {
    let learner = learners::find(&world.pool, LEARNER).await.expect("a database");
    (learner, progress::find(&world.pool, LEARNER).await.expect("a database"))
}

async fn execute(world: &World, sql: &str) {
    sqlx::query(sql).execute(&world.pool).await.expect("the statement is good");
}

async fn schemas(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rebuild\\_%' OR nspname LIKE 'verify\\_%'";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.expect("a catalogue")
}

/// How far an unfinished rebuild has come, if there is one.
async fn kept(world: &World, schema: &str) -> Option<i64> {
    let sql = "SELECT min(position) FROM rebuilds WHERE name = $1";
    sqlx::query_scalar(sql).bind(schema).fetch_one(&world.pool).await.expect("a database")
}

fn find(world: &World, name: &str) -> Arc<dyn Projection> {
    registry(&world.models).into_iter().find(|it| it.name() == name).expect("a projection of the registry")
}

#[tokio::test]
async fn a_rebuild_equals_what_was_live_row_by_row() {
    in_a_world(async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        let before = shown(world).await;
        let live = rows(world).await;
        for table in registry(&world.models).iter().flat_map(|projection| projection.tables()) {
            assert!(live.iter().any(|row| row.starts_with(&format!("{table} "))), "the events do not reach {table}");
            execute(world, &format!("TRUNCATE {table}")).await;
        }
        for projection in registry(&world.models) {
            let mut told = vec![];
            let position = rebuild(&world.log, projection, |done, head| told.push((done, head))).await;
            assert_eq!(position.expect("a rebuild"), head);
            assert_eq!((told[0], told[told.len() - 1]), ((0, head), (head, head)));
        }
        assert_eq!(rows(world).await, live);
        assert_eq!(schemas(world).await, 0);
        // On a connection that has prepared the query for the old tables.
        assert_eq!(shown(world).await, before);

        // The new tables have the indexes of the old ones, and projecting goes on.
        let indexes: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_indexes WHERE tablename = 'lessons'")
            .fetch_one(&world.pool)
            .await
            .expect("a catalogue");
        assert_eq!(indexes, 2);
        world.consent(None).await;
        world.project().await;
        let learner = learners::find(&world.pool, LEARNER).await.expect("a database");
        assert_eq!(learner.expect("a learner").emotion_care_policy, None);
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_needs_no_workers_and_clears_what_a_killed_one_left() {
    in_a_world(async |world| {
        let head = world.live_a_day().await;
        execute(world, "CREATE SCHEMA rebuild_learners").await;
        execute(world, "CREATE TABLE rebuild_learners.learners (nonsense text)").await;
        let position = rebuild(&world.log, find(world, "learners"), |_, _| {}).await.expect("a rebuild");
        assert_eq!(position, head);
        wait_for(&world.pool, "learners", head, PATIENCE).await.expect("its cursor is at the head");
        let learner = learners::find(&world.pool, LEARNER).await.expect("a database");
        assert!(learner.is_some());
    })
    .await;
}

#[tokio::test]
async fn workers_go_on_from_where_a_rebuild_has_put_their_cursor() {
    in_a_world(rebuild_beside_workers).await;
}

#[tokio::test]
async fn workers_rebuilds_and_queries_go_on_side_by_side_on_many_connections() {
    in_a_world_with(8, async |world| {
        let queries = CancellationToken::new();
        let asking = tokio::spawn({
            let (pool, stop) = (world.pool.clone(), queries.clone());
            async move {
                let mut asked = 0;
                while !stop.is_cancelled() {
                    lessons::find(&pool, LessonId(Uuid::from_u128(20))).await.expect("the lesson can be read");
                    asked += 1;
                    lessons::list(&pool, LEARNER, 50).await.expect("the list can be read");
                }
                asked
            }
        });
        rebuild_beside_workers(world).await;
        queries.cancel();
        assert!(asking.await.expect("no query fails") > 0);
    })
    .await;
}

async fn rebuild_beside_workers(world: &World) {
    world.live_a_day().await;
    let stop = CancellationToken::new();
    let workers = tokio::spawn(run(world.log.clone(), registry(&world.models), stop.clone()));
    for round in 0..5 {
        world.start_lesson(100 + round, "2026-03-05").await;
        // Spawned, to show that callers can.
        let (log, projection) = (world.log.clone(), find(world, "lessons"));
        let rebuilt = tokio::spawn(async move { rebuild(&log, projection, |_, _| {}).await });
        world.start_lesson(200 + round, "2026-03-05").await;
        rebuilt.await.expect("no panic").expect("a rebuild");
    }
    let head = world.log.head().await.expect("a head");
    wait_for(&world.pool, "lessons", head, PATIENCE).await.expect("the worker goes on");
    let (log, projection) = (world.log.clone(), find(world, "lessons"));
    let compared = tokio::spawn(async move { compare(&log, projection, |_, _| {}).await });
    let comparison = compared.await.expect("no panic").expect("a comparison");
    assert!(comparison.is_equal(), "{comparison:?}");
    assert_eq!((comparison.position, comparison.tables[0].live), (head, 14));
    stop.cancel();
    workers.await.expect("the workers end in order");
}

#[tokio::test]
async fn a_comparison_finds_rows_that_were_changed_or_removed_by_hand() {
    in_a_world(async |world| {
        world.live_a_day().await;
        world.project().await;
        for projection in registry(&world.models) {
            let comparison = compare(&world.log, projection, |_, _| {}).await.expect("a comparison");
            assert!(comparison.is_equal(), "{comparison:?}");
        }
        execute(world, "UPDATE lessons SET mean_score = 0.99 WHERE state = 'completed'").await;
        execute(world, "DELETE FROM lesson_clips").await;
        let comparison = compare(&world.log, find(world, "lessons"), |_, _| {}).await.expect("a comparison");
        assert!(!comparison.is_equal());
        let [lessons, clips, attempts] = &comparison.tables[..] else { panic!("three tables") };
        assert_eq!((lessons.live, lessons.rebuilt, lessons.only_live, lessons.only_rebuilt), (4, 4, 1, 1));
        let scores: Vec<_> =
            lessons.differences.iter().map(|it| (it.only_in.as_str(), &it.row["mean_score"])).collect();
        assert_eq!(scores, [("rebuilt", &0.8.into()), ("live", &0.99.into())]);
        assert_eq!((clips.live, clips.rebuilt, clips.differences.len()), (0, 2, 2));
        assert_eq!((attempts.only_live, attempts.only_rebuilt), (0, 0));
        assert_eq!(schemas(world).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_in_total_order_that_cannot_read_an_event_says_so_and_leaves_the_live_tables() {
    in_a_world(async |world| {
        world.live_a_day().await;
        world.project().await;
        let live = rows(world).await;
        let foreign = world.append_foreign("assessment", "ItemAnswered", "9").await;
        for _ in 0..2 {
            let error = rebuild(&world.log, find(world, "item_parameters"), |_, _| {}).await.expect_err("not readable");
            assert!(matches!(error, RebuildError::Stopped { position, .. } if position == Some(foreign)), "{error}");
            assert!(error.to_string().contains("upgrade"), "{error}");
        }
        // What stands before that event is kept, for a build that can read it.
        assert_eq!(kept(world, "rebuild_item_parameters").await, Some(foreign - 1));
        assert_eq!(rows(world).await, live);
    })
    .await;
}

#[tokio::test]
async fn read_models_that_are_ahead_of_a_restored_log_are_brought_back_to_it() {
    in_a_world(async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        execute(world, "UPDATE projection_cursors SET position = position + 1000").await;
        let position = rebuild(&world.log, find(world, "learners"), |_, _| {}).await.expect("a rebuild");
        assert_eq!(position, head);
        let cursor = crate::cursor::position(&world.pool, "learners").await.expect("a database");
        assert_eq!(cursor, Some(head));
    })
    .await;
}
