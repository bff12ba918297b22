//! Replaying into schemas of their own, and what differs.

use serde_json::json;

use super::*;
use crate::history::{AsOf, Moment, View, Whose};

fn named(name: &str) -> SandboxName {
    name.parse().expect("the name of a sandbox")
}

async fn into(
    world: &World,
    projection: &str,
    sandbox: &str,
    target: i64,
    workers: usize,
) -> Result<Outcome, SandboxError> {
    let options = Options { workers, ..Options::default() };
    replay_into(&world.log, find(world, projection), &named(sandbox), target, &options, |_, _| ()).await
}

/// Every row of a projection in a schema, as text.
async fn rows_in(world: &World, schema: &str, projection: &str) -> Vec<String> {
    let mut rows = vec![];
    for table in find(world, projection).tables() {
        let sql = format!("SELECT '{table} ' || to_jsonb(t)::text AS line FROM {schema}.{table} t ORDER BY line");
        let found: Vec<String> = sqlx::query_scalar(&sql).fetch_all(&world.pool).await.expect("a table");
        rows.extend(found);
    }
    rows
}

#[tokio::test]
async fn two_replays_are_byte_equal_with_one_worker_or_many() {
    in_a_world_with(6, async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        let live = rows(world).await;
        for projection in registry(&world.models) {
            let name = projection.name();
            for (sandbox, workers) in [("one", 1), ("other", 4)] {
                let outcome = into(world, name, sandbox, head, workers).await.expect("replayed");
                assert_eq!(outcome, Outcome::Rebuilt(head));
            }
            let one = rows_in(world, "one", name).await;
            assert_eq!(one, rows_in(world, "public", name).await);
            assert_eq!(one, rows_in(world, "other", name).await);
            let diff = diff_with_sandbox(&world.log, projection.as_ref(), &named("one"), &named("other"), 10).await;
            assert!(diff.expect("compared").is_empty());
            let options = Options::default();
            let diff = diff_with_live(&world.log, projection, &named("one"), &options, 10, |_, _| ()).await;
            assert!(diff.expect("compared").expect("not stopped").is_empty());
        }
        assert_eq!(rows(world).await, live);
        assert_eq!(sandboxes(&world.pool).await.expect("a database").len(), 2 * registry(&world.models).len());
        for sandbox in ["one", "other"] {
            drop_sandbox(&world.log, &named(sandbox)).await.expect("dropped");
        }
        assert_eq!(sandboxes(&world.pool).await.expect("a database"), []);
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM rebuilds").fetch_one(&world.pool).await.expect("a count");
        assert_eq!(left, 0);
        let again = drop_sandbox(&world.log, &named("one")).await;
        assert!(matches!(again, Err(SandboxError::Unknown { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_of_any_moment_is_what_as_of_shows_and_goes_on_from_there() {
    in_a_world(async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        for position in 1..=head {
            let outcome = into(world, "progress", "trial", position, 2).await.expect("replayed");
            assert_eq!(outcome, Outcome::Rebuilt(position));
            let moment = Moment::find(&world.log, AsOf::Position(position)).await.expect("a moment");
            let projections = [find(world, "progress")];
            let view = View::past(&world.log, &projections, Whose::Learner(LEARNER), moment).await;
            let mut view = view.expect("a past");
            let then = progress::find(view.db(), LEARNER).await.expect("a database");
            view.close().await;
            let mut db = world.pool.acquire().await.expect("a connection");
            choose_tables_of(&mut db, "trial").await;
            let replayed = progress::find(&mut *db, LEARNER).await.expect("a database");
            choose_tables_of(&mut db, "public").await;
            assert_eq!(then, replayed, "at {position}");
        }
        let back = into(world, "progress", "trial", head - 1, 1).await;
        assert!(matches!(back, Err(SandboxError::Past { position, .. }) if position == head), "{back:?}");
        let options = Options { from_scratch: true, ..Options::default() };
        let anew = replay_into(&world.log, find(world, "progress"), &named("trial"), 3, &options, |_, _| ()).await;
        assert_eq!(anew.expect("replayed"), Outcome::Rebuilt(3));
    })
    .await;
}

async fn choose_tables_of(db: &mut sqlx::PgConnection, schema: &str) {
    sqlx::query(&format!("SET search_path TO {schema}")).execute(db).await.expect("chosen");
}

#[tokio::test]
async fn schemas_of_others_are_left_alone() {
    in_a_world(async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        execute(world, "CREATE SCHEMA accounts").await;
        execute(world, "CREATE TABLE accounts.progress (id int)").await;
        let refused = into(world, "progress", "accounts", head, 1).await;
        assert!(matches!(refused, Err(SandboxError::Foreign(_))), "{refused:?}");
        let refused = drop_sandbox(&world.log, &named("accounts")).await;
        assert!(matches!(refused, Err(SandboxError::Foreign(_))), "{refused:?}");
        execute(world, "SELECT id FROM accounts.progress").await;

        // A sandbox that was dropped by hand, and whose name someone else has taken, is theirs now.
        into(world, "progress", "trial", head, 1).await.expect("replayed");
        execute(world, "DROP SCHEMA trial CASCADE").await;
        execute(world, "CREATE SCHEMA trial").await;
        let refused = into(world, "progress", "trial", head, 1).await;
        assert!(matches!(refused, Err(SandboxError::Foreign(_))), "{refused:?}");
        execute(world, "DROP SCHEMA trial").await;
        into(world, "progress", "trial", head, 1).await.expect("made anew");
    })
    .await;
}

#[tokio::test]
async fn a_difference_names_row_and_column_and_both_values() {
    in_a_world(async |world| {
        world.live_a_day().await;
        world.project().await;
        let head = world.log.head().await.expect("a head");
        into(world, "progress", "trial", head, 1).await.expect("replayed");
        execute(world, "UPDATE progress SET active_ms = 7").await;
        execute(world, "DELETE FROM progress_skills").await;
        execute(world, "INSERT INTO progress_lessons VALUES ('00000000-0000-0000-0000-0000000000ff', '2026-03-09')")
            .await;
        // The live tables go on; the comparison catches up with them.
        world.observe(9, 0.5).await;
        world.project().await;
        let options = Options::default();
        let diff = diff_with_live(&world.log, find(world, "progress"), &named("trial"), &options, 1, |_, _| ()).await;
        let diff = diff.expect("compared").expect("not stopped");
        assert_eq!((diff.position, diff.before.as_str(), diff.after.as_str()), (head + 1, "live", "trial"));
        assert!(!diff.is_empty());
        let table = |name: &str| diff.tables.iter().find(|it| it.table == name).expect("a table");
        let totals = table("progress");
        assert_eq!((totals.changed, totals.only_before, totals.only_after), (1, 0, 0));
        assert_eq!(totals.columns, [("active_ms".to_owned(), 1)].into());
        assert_eq!(totals.rows[0].key["learner_id"], json!(LEARNER));
        let active = ColumnDiff { column: "active_ms".into(), before: Some(json!(7)), after: Some(json!(145_000)) };
        assert_eq!(totals.rows[0].columns, [active]);
        let lessons = table("progress_lessons");
        assert_eq!((lessons.changed, lessons.only_before, lessons.only_after), (0, 1, 0));
        assert_eq!(lessons.rows[0].columns[0].after, None);
        // The skill was written anew by the event that came after.
        assert_eq!(table("progress_skills").only_after, 0);
        assert_eq!(table("progress_history").rows, []);

        // Two of different positions are not compared, nor is one that is not there.
        into(world, "progress", "early", 3, 1).await.expect("replayed");
        let progress = find(world, "progress");
        let apart = diff_with_sandbox(&world.log, progress.as_ref(), &named("early"), &named("trial"), 1).await;
        assert!(matches!(apart, Err(SandboxError::Apart { .. })), "{apart:?}");
        let nobody = diff_with_sandbox(&world.log, progress.as_ref(), &named("nobody"), &named("trial"), 1).await;
        assert!(matches!(nobody, Err(SandboxError::Unknown { .. })), "{nobody:?}");
    })
    .await;
}

#[tokio::test]
async fn a_replay_that_was_stopped_goes_on_where_it_was() {
    in_a_world(async |world| {
        world.live_a_day().await;
        for day in 0..20 {
            world.observe(100 + day, 0.5).await;
        }
        let head = world.log.head().await.expect("a head");
        let stop = CancellationToken::new();
        let options = Options { workers: 1, stop: stop.clone(), ..Options::default() };
        let mut told = vec![];
        let asked = |done, _| {
            told.push(done);
            stop.cancel();
        };
        let progress = find(world, "progress");
        let outcome = replay_into(&world.log, progress, &named("trial"), head, &options, asked).await;
        let Outcome::Paused(paused) = outcome.expect("stopped") else { panic!("it was not stopped") };
        assert!(paused < head);
        let mut first = None;
        let options = Options { workers: 3, ..Options::default() };
        let progress = find(world, "progress");
        let told = |done, _| {
            first.get_or_insert(done);
        };
        let outcome = replay_into(&world.log, progress, &named("trial"), head, &options, told).await;
        assert_eq!(outcome.expect("replayed"), Outcome::Rebuilt(head));
        assert_eq!(first, Some(paused));
        into(world, "progress", "whole", head, 1).await.expect("replayed");
        assert_eq!(rows_in(world, "trial", "progress").await, rows_in(world, "whole", "progress").await);
    })
    .await;
}
