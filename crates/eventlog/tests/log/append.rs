//! Appending: density, conflicts, idempotency, immutability, snapshots.

use crate::support::{TENANT, context, execute, goal, open, register, registered};
use baeum_domain::identity::user::{Error, User};
use baeum_eventlog::{EventFilter, ExecuteError, LogError};
use baeum_testing::{TestDatabase, new_id};
use futures::future::join_all;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_dense_and_in_order_however_many_append_at_once() {
    let database = TestDatabase::create().await;
    // Two logs stand for two processes: each has an appender of its own.
    let logs = [open(&database, None).await, open(&database, None).await];
    let registrations = (0..300).map(|n| registered(&logs[n % 2]));
    let ids = join_all(registrations).await;
    let events = logs[0].read(0, 1_000).await.expect("readable");
    assert_eq!(events.len(), ids.len());
    assert!((1..).zip(&events).all(|(position, event)| event.position == position), "positions have gaps");
    assert_eq!(logs[0].head().await.expect("readable"), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_racing_changes_each_is_decided_on_what_came_before_it() {
    let database = TestDatabase::create().await;
    let logs = [open(&database, None).await, open(&database, None).await];
    let id = registered(&logs[0]).await;
    let changes = (0..20_u16).map(|n| {
        let log = &logs[usize::from(n % 2)];
        async move {
            // A caller that gave up after many conflicts asks again, as a client would.
            loop {
                match execute(log, &context(None), id, goal(20 + n)).await {
                    Ok(outcome) => return outcome,
                    Err(ExecuteError::Contended(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let mut sequences: Vec<_> = join_all(changes).await.iter().map(|outcome| outcome.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (2..=21).collect::<Vec<_>>(), "each change has a place of its own in the stream");
    let stream = logs[0].read_stream::<User>(TENANT, &id.to_string(), 0).await.expect("readable");
    assert!((1..).zip(&stream).all(|(sequence, event)| event.sequence == sequence));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_gets_the_stored_answer_and_another_body_is_an_error() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    let key = new_id();
    let first = execute(&log, &context(Some((key, "a"))), id, goal(30)).await.expect("done");
    execute(&log, &context(None), id, goal(60)).await.expect("done");
    let again = execute(&log, &context(Some((key, "a"))), id, goal(30)).await.expect("stored");
    assert!(again.stored && !first.stored);
    assert_eq!((again.answer, again.position, again.sequence), (Some(30), first.position, first.sequence));
    let other = execute(&log, &context(Some((key, "b"))), id, goal(40)).await;
    assert!(matches!(other, Err(ExecuteError::KeyReused)));
    assert_eq!(log.head().await.expect("readable"), 3, "nothing was appended twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_the_same_key_append_once() {
    let database = TestDatabase::create().await;
    let logs = [open(&database, None).await, open(&database, None).await];
    for round in 0..20_u16 {
        let id = registered(&logs[0]).await;
        let key = new_id();
        let minutes = 10 + round;
        let (one, two) = (context(Some((key, "a"))), context(Some((key, "a"))));
        let (a, b) =
            tokio::join!(execute(&logs[0], &one, id, goal(minutes)), execute(&logs[1], &two, id, goal(minutes)));
        let (a, b) = (a.expect("done"), b.expect("done"));
        assert_eq!((a.position, a.sequence, a.answer), (b.position, b.sequence, b.answer));
        assert_eq!(log_sequence(&logs[0], id).await, 2);
    }
}

async fn log_sequence(log: &baeum_eventlog::EventLog, id: Uuid) -> i64 {
    log.load::<User>(TENANT, &id.to_string()).await.expect("readable").sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_decides_nothing_is_remembered_all_the_same() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    let key = new_id();
    let first = execute(&log, &context(Some((key, "a"))), id, register(id)).await.expect("done");
    assert_eq!((first.position, first.sequence), (1, 1));
    let reused = execute(&log, &context(Some((key, "b"))), id, goal(30)).await;
    assert!(matches!(reused, Err(ExecuteError::KeyReused)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_precondition_is_refused_with_both_versions() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    let stale = baeum_eventlog::CommandContext { expected_sequence: Some(7), ..context(None) };
    let refused = execute(&log, &stale, id, goal(30)).await;
    assert!(matches!(refused, Err(ExecuteError::PreconditionFailed { expected: 7, actual: 1 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_appends_nothing() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let refused = execute(&log, &context(None), new_id(), goal(30)).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(Error::NotRegistered))));
    assert_eq!(log.head().await.expect("readable"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_to_change_the_log() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    registered(&log).await;
    for change in ["UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events"] {
        let refused = sqlx::query(change).execute(&database.pool).await.expect_err("append-only");
        assert!(refused.to_string().contains("append-only"), "{change}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_loads_from_its_snapshot_as_from_its_events() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    for n in 0..130_u16 {
        execute(&log, &context(None), id, goal(10 + n)).await.expect("done");
    }
    let snapshot: i64 =
        sqlx::query_scalar("SELECT sequence FROM aggregate_snapshots").fetch_one(&database.pool).await.expect("kept");
    assert_eq!(snapshot, 100);
    let with = log.load::<User>(TENANT, &id.to_string()).await.expect("readable");
    sqlx::query("DELETE FROM aggregate_snapshots").execute(&database.pool).await.expect("deleted");
    let without = log.load::<User>(TENANT, &id.to_string()).await.expect("readable");
    assert_eq!((with.state, with.sequence), (without.state, without.sequence));
    assert_eq!(with.sequence, 131);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_aggregate_is_as_if_it_did_not_exist() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    assert_eq!(log.load::<User>("other", &id.to_string()).await.expect("readable").sequence, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_version_is_named_and_harms_no_other_stream() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let (future, present) = (registered(&log).await, registered(&log).await);
    sqlx::query(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events SELECT 'user', $1, 2, 'GoalSet', '9', '{\"GoalSet\": {}}', '{}', position,
             gen_random_uuid(), 'main', 'x', gen_random_uuid(), gen_random_uuid(), now() FROM head",
    )
    .bind(future.to_string())
    .execute(&database.pool)
    .await
    .expect("inserted");
    let error = execute(&log, &context(None), future, goal(30)).await.expect_err("unreadable");
    let ExecuteError::Log(LogError::Unreadable { position, version, .. }) = error else { panic!("{error}") };
    assert_eq!((position, version), (3, 9));
    execute(&log, &context(None), present, goal(30)).await.expect("the other stream goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_be_read_by_type_and_by_aggregate() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    registered(&log).await;
    execute(&log, &context(None), id, goal(30)).await.expect("done");
    let of_type = EventFilter { event_type: Some("GoalSet".into()), ..EventFilter::default() };
    let (events, next) = log.read_filtered(0, 10, &of_type).await.expect("readable");
    assert_eq!((events.len(), events[0].position, next), (1, 3, 3));
    let of_user = EventFilter { aggregate_id: Some(id.to_string()), ..EventFilter::default() };
    let (events, next) = log.read_filtered(0, 1, &of_user).await.expect("readable");
    assert_eq!((events.len(), next), (1, 1), "a full page goes on after its last event");
    let (events, next) = log.read_filtered(1, 10, &of_user).await.expect("readable");
    assert_eq!((events.len(), next), (1, 3));
}
