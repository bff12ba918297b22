//! What the log and its tables hold of one person: found, read and forgotten, and of nobody else.

use baeum_domain::{
    Decider,
    identity::erasure::{Command as ErasureCommand, Erasure, Ground, Requester},
    ids::{LessonId, UserId},
    learning::{
        lesson::{Command as LessonCommand, Lesson},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::Cefr,
};
use baeum_eventlog::{CommandContext, EventLog, Loaded};
use baeum_testing::{TestDatabase, eventually, new_id};
use chrono::NaiveDate;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{TENANT, context, execute, goal, open, process, register, registered};

async fn decide<D: Decider>(log: &EventLog, context: &CommandContext, id: Uuid, command: D::Command) {
    let prepare = move |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
    let done = log.execute::<D, (), D::Error, _>(context, &id.to_string(), prepare, |_, _| ()).await;
    done.map_or_else(|error| panic!("refused: {error}"), drop);
}

async fn start_lesson(log: &EventLog, context: &CommandContext, learner: Uuid) -> Uuid {
    let lesson = new_id();
    let plan = LessonPlan {
        level: Cefr::B1,
        clips: vec![PlannedClip { clip_id: "cafe".parse().expect("an id"), duration_ms: 60_000, segments: 3 }],
        tasks: vec![PlannedTask {
            task_id: "cafe-w1".parse().expect("an id"),
            clip_id: "cafe".parse().expect("an id"),
            kind: TaskKind::Writing,
            focus: "articles".parse().expect("a focus"),
            min_words: 3,
        }],
        required_attempts: 1,
    };
    let local_date = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date");
    let start = LessonCommand::Start { lesson_id: LessonId(lesson), learner_id: UserId(learner), plan, local_date };
    decide::<Lesson>(log, context, lesson, start).await;
    lesson
}

async fn erase(log: &EventLog, subject: Uuid) {
    let now = log.clock().now();
    let (subject_id, requested_by, ground) = (UserId(subject), Requester::Operator, Ground::Objection);
    let request = ErasureCommand::Request { subject_id, requested_by, ground, grace_days: 0, now };
    decide::<Erasure>(log, &context(None), subject, request).await;
    let note = ErasureCommand::NoteErased { subject_id, key_ids: vec![], now };
    decide::<Erasure>(log, &context(None), subject, note).await;
}

async fn count(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("counted")
}

#[tokio::test]
async fn the_streams_of_a_person_are_found_by_their_id_and_by_what_their_events_name() {
    let database = TestDatabase::create_with(1).await;
    let log = open(&database, None).await;
    let (mina, jun) = (registered(&log).await, registered(&log).await);
    let lesson = start_lesson(&log, &context(None), mina).await;
    start_lesson(&log, &context(None), jun).await;
    // Another tenant's log may name the same id: it is nobody of this one.
    let elsewhere = CommandContext { tenant: "busan".into(), ..context(None) };
    start_lesson(&log, &elsewhere, mina).await;
    let found = log.streams_of(TENANT, UserId(mina)).await.expect("read");
    let shown: Vec<_> =
        found.iter().map(|it| (it.aggregate_type.as_str(), it.aggregate_id.clone(), it.events)).collect();
    assert_eq!(shown, [("lesson", lesson.to_string(), 1), ("user", mina.to_string(), 1)]);
    let first = log.read_streams(TENANT, &found, 0, 1).await.expect("read");
    assert_eq!(first[0].event_type, "UserRegistered");
    let rest = log.read_streams(TENANT, &found, first[0].position, 10).await.expect("read");
    assert_eq!(rest.iter().map(|it| it.event_type.as_str()).collect::<Vec<_>>(), ["LessonStarted"]);
    assert_eq!(log.streams_of("busan", UserId(jun)).await.expect("read"), []);
}

#[tokio::test]
async fn what_is_kept_beside_the_log_of_a_person_goes_and_the_log_and_everybody_elses_stays() {
    let database = TestDatabase::create_with(1).await;
    let log = open(&database, None).await;
    let (mina, jun) = (registered(&log).await, registered(&log).await);
    let by = |who: Uuid| CommandContext { actor: who.to_string(), ..context(Some((new_id(), "a"))) };
    for id in [mina, jun] {
        for minutes in 0..100 {
            execute(&log, &context(None), id, goal(10 + minutes)).await.expect("appended");
        }
        execute(&log, &by(id), id, goal(5)).await.expect("appended");
        // By somebody else, on their stream; and by them, on nobody's.
        execute(&log, &by(new_id()), id, goal(6)).await.expect("appended");
        execute(&log, &by(id), id, goal(6)).await.expect("changes nothing");
        start_lesson(&log, &by(id), id).await;
    }
    let pool = &database.pool;
    // From before receipts said whose they are: by its last event, and by its answer.
    let old = "UPDATE command_receipts SET aggregate_type = NULL, aggregate_id = NULL, actor = NULL
               WHERE aggregate_type = 'lesson'";
    sqlx::query(old).execute(pool).await.expect("as before");
    let events = count(pool, "SELECT count(*) FROM events").await;
    assert_eq!(count(pool, "SELECT count(*) FROM command_receipts").await, 8);
    assert_eq!(count(pool, "SELECT count(*) FROM aggregate_snapshots").await, 2);
    let streams = log.streams_of(TENANT, UserId(mina)).await.expect("read");
    for gone in [5, 0] {
        assert_eq!(log.forget_streams(TENANT, UserId(mina), &streams).await.expect("forgotten"), gone);
    }
    assert_eq!(count(pool, "SELECT count(*) FROM command_receipts").await, 4);
    assert_eq!(count(pool, "SELECT count(*) FROM aggregate_snapshots").await, 1);
    assert_eq!(count(pool, "SELECT count(*) FROM events").await, events);
    baeum_eventlog::vacuum(pool, &baeum_eventlog::FORGOTTEN_IN, false).await.expect("vacuumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_learns_of_an_erasure_and_one_that_starts_knows_it() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let (mina, jun) = (registered(&here).await, registered(&here).await);
    assert!(!there.erased().contains(UserId(mina)));
    erase(&here, mina).await;
    eventually("the other process knows", || async { there.erased().contains(UserId(mina)).then_some(()) }).await;
    let later = process(&database).await;
    assert!(later.erased().contains(UserId(mina)) && !later.erased().contains(UserId(jun)));
    execute(&there, &context(None), new_id(), register(new_id())).await.expect("the log goes on");
}
