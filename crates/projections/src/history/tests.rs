use baeum_domain::{identity::user::User, operations::parked_stream::ParkedStream};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    assessment::assessments,
    emotion::emotion,
    identity::{learners, subject_streams},
    learning::lessons,
    progress::progress,
    recommendation::recommendations,
    registry, run,
    testing::{LEARNER, PATIENCE, World, in_a_world, preferences},
    wait_for,
};

/// What every query shows of the learner, through one view of the given kind a read model.
async fn everything(world: &World, position: Option<i64>) -> Value {
    let mut shown = serde_json::Map::new();
    for model in ["learners", "progress", "emotion", "recommendations"] {
        let mut view = open(world, position, &[model, "learners"], Whose::Learner(LEARNER)).await;
        let db = view.db();
        let row = match model {
            "learners" => json!(learners::find(db, LEARNER).await.expect("a database")),
            "progress" => json!(progress::find(db, LEARNER).await.expect("a database")),
            "emotion" => json!(emotion::find(db, LEARNER).await.expect("a database")),
            _ => json!(recommendations::find(db, LEARNER).await.expect("a database")),
        };
        view.close().await;
        shown.insert(model.to_owned(), row);
    }
    for limit in [1, 2, 50] {
        let mut view = open(world, position, &["lessons"], Whose::LatestLessons(LEARNER, limit)).await;
        let rows = lessons::list(view.db(), LEARNER, limit).await.expect("a database");
        view.close().await;
        shown.insert(format!("latest {limit} lessons"), json!(rows));
    }
    for id in [20, 30, 40, 50] {
        let lesson = LessonId(Uuid::from_u128(id));
        let mut view = open(world, position, &["lessons"], Whose::Lesson(lesson)).await;
        let row = lessons::find(view.db(), lesson).await.expect("a database");
        view.close().await;
        shown.insert(format!("lesson {id}"), json!(row));
    }
    let sitting = AssessmentId(Uuid::from_u128(10));
    let mut view = open(world, position, &["assessments"], Whose::Assessment(sitting)).await;
    let row = assessments::find(view.db(), sitting).await.expect("a database");
    view.close().await;
    shown.insert("sitting".to_owned(), json!(row));
    Value::Object(shown)
}

async fn open(world: &World, position: Option<i64>, models: &[&str], whose: Whose) -> View {
    let Some(position) = position else { return View::live(&world.pool).await.expect("a connection") };
    let moment = Moment::find(&world.log, AsOf::Position(position)).await.expect("a moment");
    let mut projections = registry(&world.models);
    projections.retain(|it| models.contains(&it.name()));
    View::past(&world.log, &projections, whose, moment).await.expect("a past")
}

async fn checkpoints(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM history_checkpoints").fetch_one(&world.pool).await.expect("a count")
}

/// The state after each command of a learner's days, with its position.
async fn live_through_days(world: &World) -> Vec<(i64, Value)> {
    let mut states = vec![];
    // Commands in the order of a life; between them every live answer is noted.
    macro_rules! then {
        ($command:expr) => {
            $command.await;
            world.project().await;
            let position = world.log.head().await.expect("a head");
            states.push((position, everything(world, None).await));
        };
    }
    then!(world.register());
    then!(world.consent(Some("2026-01")));
    then!(world.start_sitting(10, 2));
    then!(world.answer(10, "one", true, "two"));
    then!(world.answer(10, "two", false, "one"));
    for lesson in [20, 30, 40, 50] {
        then!(world.start_lesson(lesson, "2026-03-01"));
        then!(world.watch(lesson, lesson + 1, 60_000, "2026-03-01"));
        then!(world.attempt(lesson, lesson + 2, 0.4));
        then!(world.attempt(lesson, lesson + 3, 0.8));
        then!(world.observe(i64::try_from(lesson).expect("small"), 0.75));
        then!(world.complete(lesson, "2026-03-02"));
    }
    states
}

#[tokio::test]
async fn every_read_model_was_at_every_moment_what_the_past_shows() {
    in_a_world(async |world| {
        let states = live_through_days(world).await;
        // Backwards, then forwards over what checkpoints were left: the same each time.
        for (position, live) in states.iter().rev().chain(&states) {
            assert_eq!(everything(world, Some(*position)).await, *live, "at {position}");
        }
        assert!(checkpoints(world).await > 0);
        let of_emotion: i64 =
            sqlx::query_scalar("SELECT count(*) FROM history_checkpoints WHERE projection = 'emotion'")
                .fetch_one(&world.pool)
                .await
                .expect("a count");
        assert_eq!(of_emotion, 0, "nothing derived from emotion may be left when the consent is withdrawn");
        sqlx::query("DELETE FROM history_checkpoints").execute(&world.pool).await.expect("deleted");
        let (position, live) = states.last().expect("states");
        assert_eq!(everything(world, Some(*position)).await, *live);
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
            .fetch_one(&world.pool)
            .await
            .expect("a catalogue");
        assert_eq!(tables, 0, "nothing is left of the tables");
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_of_another_version_is_not_used_and_a_rebuild_forgets_them() {
    in_a_world(async |world| {
        let states = live_through_days(world).await;
        let (position, live) = states.last().expect("states");
        assert_eq!(everything(world, Some(*position)).await, *live);
        let spoil = "UPDATE history_checkpoints SET version = version + 1, rows = '{}'";
        sqlx::query(spoil).execute(&world.pool).await.expect("spoilt");
        assert_eq!(everything(world, Some(*position)).await, *live);
        for projection in registry(&world.models) {
            crate::rebuild::rebuild(&world.log, projection, |_, _| ()).await.expect("rebuilt");
        }
        assert_eq!(checkpoints(world).await, 0);
    })
    .await;
}

#[tokio::test]
async fn checkpoints_of_a_key_are_few() {
    in_a_world(async |world| {
        let states = live_through_days(world).await;
        for (position, _) in &states {
            everything(world, Some(*position)).await;
        }
        let most: i64 = sqlx::query_scalar(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM history_checkpoints GROUP BY projection, key) c",
        )
        .fetch_one(&world.pool)
        .await
        .expect("a count");
        assert!((1..=8).contains(&most), "{most}");
    })
    .await;
}

/// Runs workers until every projection is at the head, whatever is parked.
async fn learner_then(world: &World, position: i64) -> Option<learners::Learner> {
    let mut view = open(world, Some(position), &["learners"], Whose::Learner(LEARNER)).await;
    let learner = learners::find(view.db(), LEARNER).await.expect("a database");
    view.close().await;
    learner
}

async fn goal_live(world: &World) -> Option<u16> {
    learners::find(&world.pool, LEARNER).await.expect("a database").and_then(|it| it.daily_minutes)
}

async fn set_goal(world: &World, minutes: u16) -> i64 {
    let change = baeum_domain::identity::user::Command::Change {
        preferences: Some(preferences("Europe/Paris")),
        daily_minutes: Some(minutes),
        emotion_care_policy: None,
    };
    world.execute::<User>(LEARNER.0, change).await
}

async fn deed(world: &World, command: baeum_domain::operations::parked_stream::Command) -> i64 {
    let id = baeum_domain::operations::parked_stream::id_of("learners", &LEARNER.to_string());
    world.execute::<ParkedStream>(id, command).await
}

#[tokio::test]
async fn a_stream_that_was_parked_is_shown_parked_and_as_it_went_on() {
    in_a_world(async |world| {
        let constraint = "ALTER TABLE learners ADD CONSTRAINT no_77 CHECK (daily_minutes IS DISTINCT FROM 77)";
        let key = LEARNER.to_string();
        let mut states = vec![];
        let mut note = async |position: i64| {
            world.project().await;
            states.push((position, goal_live(world).await));
        };
        note(world.register().await).await;
        note(set_goal(world, 20).await).await;
        sqlx::query(constraint).execute(&world.pool).await.expect("a constraint");
        note(set_goal(world, 77).await).await;
        let parked = crate::parking::find(&world.pool, "learners", &key).await.expect("a database").expect("parked");
        note(set_goal(world, 30).await).await;
        let retry = |attempts| baeum_domain::operations::parked_stream::Command::Retry {
            projection: "learners".into(),
            key: key.clone(),
            position: parked.position,
            attempts,
        };
        // In vain.
        note(deed(world, retry(1)).await).await;
        sqlx::query("ALTER TABLE learners DROP CONSTRAINT no_77").execute(&world.pool).await.expect("dropped");
        for (position, goal) in &states {
            let then = learner_then(world, *position).await.and_then(|it| it.daily_minutes);
            assert_eq!(then, *goal, "at {position}, while it is parked");
        }
        let mut note = async |position: i64| {
            world.project().await;
            states.push((position, goal_live(world).await));
        };
        note(deed(world, retry(2)).await).await;
        note(set_goal(world, 45).await).await;
        let goals: Vec<_> = states.iter().map(|(_, goal)| *goal).collect();
        assert_eq!(goals, [None, Some(20), Some(20), Some(20), Some(20), Some(30), Some(45)]);
        for (position, goal) in &states {
            let then = learner_then(world, *position).await.and_then(|it| it.daily_minutes);
            assert_eq!(then, *goal, "at {position}, after it went on");
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_skipped_stops_its_stream_until_it_was_skipped() {
    in_a_world(async |world| {
        world.register().await;
        let constraint = "ALTER TABLE learners ADD CONSTRAINT no_77 CHECK (daily_minutes IS DISTINCT FROM 77)";
        sqlx::query(constraint).execute(&world.pool).await.expect("a constraint");
        let refused = set_goal(world, 77).await;
        let waiting = set_goal(world, 30).await;
        world.project().await;
        assert_eq!(goal_live(world).await, None);
        let parked = crate::parking::find(&world.pool, "learners", &LEARNER.to_string()).await.expect("a database");
        let skip = baeum_domain::operations::parked_stream::Command::Skip {
            projection: "learners".into(),
            key: LEARNER.to_string(),
            position: parked.expect("parked").position,
            reason: "no such goal".into(),
        };
        let skipped = deed(world, skip).await;
        world.project().await;
        assert_eq!(goal_live(world).await, Some(30));
        sqlx::query("ALTER TABLE learners DROP CONSTRAINT no_77").execute(&world.pool).await.expect("dropped");
        for (position, goal) in [(refused, None), (waiting, None), (skipped, Some(30))] {
            let then = learner_then(world, position).await.expect("a learner");
            assert_eq!(then.daily_minutes, goal, "at {position}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_of_an_unknown_version_stops_the_past_of_its_learner_as_it_stops_the_present() {
    in_a_world(async |world| {
        world.register().await;
        let before = world.start_lesson(20, "2026-03-01").await;
        let head = world.log.head().await.expect("a head");
        // The next event of the learner is of a build that this one does not know, and so is a lesson of its own.
        let foreign = world.append_foreign("lesson", "LessonStarted", "9").await;
        assert_eq!(foreign, head + 1);
        let body = json!({ "LessonStarted": { "learner_id": LEARNER } });
        let sql = "SET session_replication_role = replica";
        sqlx::query(sql).execute(&world.pool).await.expect("the log is opened");
        let set = "UPDATE events SET payload = $1 WHERE global_position = $2";
        sqlx::query(set).bind(body).bind(foreign).execute(&world.pool).await.expect("named");
        let sql = "SET session_replication_role = origin";
        sqlx::query(sql).execute(&world.pool).await.expect("the log is closed");
        let after = world.watch(20, 21, 60_000, "2026-03-01").await;
        world.project().await;
        let live = progress::find(&world.pool, LEARNER).await.expect("a database");
        assert_eq!(live.as_ref().map(|it| it.clips), Some(0), "the live model stands still");
        for (position, clips) in [(before, 0), (foreign, 0), (after, 0)] {
            let mut view = open(world, Some(position), &["progress"], Whose::Learner(LEARNER)).await;
            let then = progress::find(view.db(), LEARNER).await.expect("a database");
            view.close().await;
            assert_eq!(then.map(|it| it.clips), Some(clips), "at {position}");
        }
        // Lessons are kept in order one by one, so the one that is known goes on.
        let lesson = LessonId(Uuid::from_u128(20));
        let mut view = open(world, Some(after), &["lessons"], Whose::Lesson(lesson)).await;
        let shown = lessons::find(view.db(), lesson).await.expect("a database").expect("a lesson");
        view.close().await;
        assert_eq!(shown.clips.len(), 1);
        assert_eq!(subject_streams::of(&world.pool, LEARNER.0).await.expect("a database").len(), 2);
        // A lesson that the index does not know, since it stands still too, is listed as it is live.
        let started = world.start_lesson(30, "2026-03-02").await;
        world.project().await;
        assert_eq!(subject_streams::of(&world.pool, LEARNER.0).await.expect("a database").len(), 2);
        for limit in [1, 2, 3] {
            let live = lessons::list(&world.pool, LEARNER, limit).await.expect("a database");
            let mut view = open(world, Some(started), &["lessons"], Whose::LatestLessons(LEARNER, limit)).await;
            assert_eq!(lessons::list(view.db(), LEARNER, limit).await.expect("a database"), live);
            view.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_time_is_the_last_position_recorded_until_then() {
    in_a_world(async |world| {
        world.live_a_day().await;
        let (head, floor) = (world.log.head().await.expect("a head"), world.log.floor());
        let start = world.log.clock().now();
        // Each event a minute after the one before, but for one that a clock behind by three minutes recorded.
        let sql = "SET session_replication_role = replica";
        sqlx::query(sql).execute(&world.pool).await.expect("the log is opened");
        sqlx::query(
            "UPDATE events SET recorded_at = $1 - interval '1 day' + global_position * interval '1 minute'
                                 - CASE WHEN global_position = 9 THEN interval '3 minutes' ELSE interval '0' END",
        )
        .bind(start)
        .execute(&world.pool)
        .await
        .expect("times are set");
        let sql = "SET session_replication_role = origin";
        sqlx::query(sql).execute(&world.pool).await.expect("the log is closed");
        let at = |minutes: i64| start - TimeDelta::days(1) + TimeDelta::minutes(minutes);
        let position = async |minutes| world.log.position_at(at(minutes)).await.expect("a position");
        assert_eq!(position(0).await, floor);
        assert_eq!(position(1).await, floor + 1);
        assert_eq!(position(5).await, floor + 5);
        assert_eq!(position(head + 100).await, head);
        for minutes in 1..head {
            let found = position(minutes).await;
            let recorded = async |it: i64| world.log.recorded_at(it).await.expect("a database");
            assert!(recorded(found).await.is_some_and(|it| it <= at(minutes)), "{minutes}");
            assert!(recorded(found + 1).await.is_none_or(|it| it > at(minutes)), "{minutes}");
            assert!((found - minutes).abs() <= 3, "{minutes}: {found}");
        }
        let moment = Moment::find(&world.log, AsOf::Time(start)).await.expect("a moment");
        assert_eq!(moment, Moment { position: head, at: start });
        let later = Moment::find(&world.log, AsOf::Time(start + TimeDelta::seconds(1))).await;
        assert!(matches!(later, Err(MomentError::StillToCome { .. })), "{later:?}");
        let later = Moment::find(&world.log, AsOf::Position(head + 1)).await;
        assert!(matches!(later, Err(MomentError::PastTheHead { .. })), "{later:?}");
        let elsewhere = Moment::find(&world.log, AsOf::Position(1 << 40)).await;
        assert!(matches!(elsewhere, Err(MomentError::OfAnotherShard { .. })), "{elsewhere:?}");
        let nowhere = Moment::find(&world.log, AsOf::Position(i64::MAX)).await;
        assert!(matches!(nowhere, Err(MomentError::NoPosition(_))), "{nowhere:?}");
        assert_eq!(Moment::find(&world.log, AsOf::Position(0)).await.expect("a moment").position, floor);
    })
    .await;
}

#[tokio::test]
async fn what_all_learners_make_has_no_past_of_one() {
    in_a_world(async |world| {
        world.live_a_day().await;
        let mut projections = registry(&world.models);
        projections.retain(|it| it.name() == "item_parameters");
        let moment = Moment::find(&world.log, AsOf::Position(1)).await.expect("a moment");
        let refused = View::past(&world.log, &projections, Whose::Learner(LEARNER), moment).await;
        assert!(matches!(refused, Err(HistoryError::NotOfOneLearner("item_parameters"))));
    })
    .await;
}

#[tokio::test]
async fn the_past_is_read_while_workers_go_on() {
    in_a_world(async |world| {
        let stop = CancellationToken::new();
        let workers = tokio::spawn(run(world.log.clone(), registry(&world.models), stop.clone()));
        let position = world.live_a_day().await;
        wait_for(&world.pool, subject_streams::NAME, position, PATIENCE).await.expect("the index is there");
        let then = learner_then(world, position).await.expect("a learner");
        wait_for(&world.pool, "learners", position, PATIENCE).await.expect("the live model is there");
        let live = learners::find(&world.pool, LEARNER).await.expect("a database");
        assert_eq!(Some(then), live);
        stop.cancel();
        workers.await.expect("they end");
    })
    .await;
}
