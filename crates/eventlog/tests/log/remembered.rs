//! Deciding from remembered states: no read where it is safe, and never a wrong decision.

use std::time::Duration;

use crate::support::{TENANT, context, execute, goal, process, register, registered};
use baeum_domain::{
    Decider as _,
    identity::user::{Command, Error, Event, Role, User},
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, begin};
use baeum_testing::{TestDatabase, new_id};
use uuid::Uuid;

async fn minutes(log: &EventLog, id: Uuid) -> (i64, Option<u16>) {
    let loaded = log.load::<User>(TENANT, &id.to_string()).await.expect("readable");
    (loaded.sequence, loaded.state.profile.as_ref().and_then(|profile| profile.daily_minutes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_a_remembered_or_new_aggregate_reads_nothing() {
    let database = TestDatabase::create().await;
    let log = process(&database).await;
    let id = registered(&log).await;
    // Whoever loads an aggregate reads this table, and would wait.
    let mut locked = begin(&database.pool).await.expect("a transaction");
    sqlx::query("LOCK TABLE aggregate_snapshots IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await.expect("locked");
    let commands = async {
        for n in 0..10 {
            execute(&log, &context(Some((new_id(), "a"))), id, goal(30 + n)).await.expect("appended");
        }
        let new = new_id();
        log.expect_new::<User>(TENANT, &new.to_string());
        execute(&log, &context(None), new, register(new)).await.expect("registered");
    };
    tokio::time::timeout(Duration::from_secs(30), commands).await.expect("nothing was read");
    locked.rollback().await.expect("unlocked");
    assert_eq!(minutes(&log, id).await, (11, Some(39)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_appended_costs_a_retry() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&there, &context(None), id, goal(30)).await.expect("appended");
    let outcome = execute(&here, &context(None), id, goal(60)).await.expect("appended");
    assert_eq!(outcome.sequence, 3);
    assert_eq!(minutes(&there, id).await, (3, Some(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_is_wrongly_taken_for_new_costs_a_retry() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&there).await;
    here.expect_new::<User>(TENANT, &id.to_string());
    let again = execute(&here, &context(None), id, register(id)).await.expect("decides nothing");
    assert_eq!(again.sequence, 1);
    let refused = execute(&here, &context(None), id, register(new_id())).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(Error::AlreadyRegistered(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_refusal_is_told_of_a_state_that_has_passed() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&there, &context(None), id, Command::GrantRole { role: Role::Admin }).await.expect("granted");
    // What `here` remembers has one role, the last of which cannot be revoked.
    let revoked = execute(&here, &context(None), id, Command::RevokeRole { role: Role::Learner }).await;
    assert_eq!(revoked.expect("there are two").sequence, 3);
    let refused = execute(&there, &context(None), id, Command::RevokeRole { role: Role::Admin }).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(Error::LastRole(Role::Admin)))), "as the log has it by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_not_taken_for_done_by_a_state_that_has_passed() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&here, &context(None), id, goal(30)).await.expect("appended");
    execute(&there, &context(None), id, goal(60)).await.expect("appended");
    let back = execute(&here, &context(None), id, goal(30)).await.expect("appended");
    assert_eq!(back.sequence, 4, "what `here` remembers has this goal already");
    assert_eq!(minutes(&there, id).await, (4, Some(30)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_is_checked_against_the_log_before_it_fails() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&there, &context(None), id, goal(30)).await.expect("appended");
    let read_elsewhere = CommandContext { expected_sequence: Some(2), ..context(None) };
    execute(&here, &read_elsewhere, id, goal(60)).await.expect("the log is at 2, though `here` remembers 1");
    // And one that only what is remembered fulfils is refused.
    execute(&there, &context(None), id, goal(90)).await.expect("appended");
    let passed = CommandContext { expected_sequence: Some(3), ..context(None) };
    let refused = execute(&here, &passed, id, goal(10)).await;
    assert!(matches!(refused, Err(ExecuteError::PreconditionFailed { expected: 3, actual: 4 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prepare_refuses_of_a_state_that_has_passed_is_prepared_again() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&there, &context(None), id, goal(30)).await.expect("appended");
    let prepared = here
        .execute::<User, _, Error, _>(
            &context(None),
            &id.to_string(),
            |loaded: Loaded<User>| {
                let has_goal = loaded.state.profile.as_ref().is_some_and(|it| it.daily_minutes.is_some());
                std::future::ready(if has_goal { Ok(goal(45)) } else { Err(Error::NotRegistered) })
            },
            |_, _| (),
        )
        .await;
    assert_eq!(prepared.expect("the log has a goal").sequence, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_its_answer_and_not_the_refusal_that_it_led_to() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let id = registered(&here).await;
    execute(&here, &context(None), id, Command::GrantRole { role: Role::Admin }).await.expect("granted");
    let key = new_id();
    let revoke = || Command::RevokeRole { role: Role::Learner };
    let first = execute(&here, &context(Some((key, "a"))), id, revoke()).await.expect("revoked");
    execute(&here, &context(None), id, Command::GrantRole { role: Role::Learner }).await.expect("granted");
    execute(&here, &context(None), id, Command::RevokeRole { role: Role::Admin }).await.expect("revoked");
    for log in [&here, &there] {
        let again = execute(log, &context(Some((key, "a"))), id, revoke()).await.expect("not 'the last role'");
        assert!(again.stored);
        assert_eq!((again.position, again.sequence), (first.position, first.sequence));
        let other = execute(log, &context(Some((key, "b"))), id, revoke()).await;
        assert!(matches!(other, Err(ExecuteError::KeyReused)), "before any refusal");
        let stale = CommandContext { expected_sequence: Some(2), ..context(Some((key, "a"))) };
        assert!(execute(log, &stale, id, revoke()).await.expect("stored").stored, "before any precondition");
    }
    let recalled = here.recall::<Option<u16>, Error>(&context(Some((key, "a")))).await.expect("readable");
    assert_eq!(recalled.expect("executed").position, first.position);
    assert!(here.recall::<(), Error>(&context(Some((new_id(), "a")))).await.expect("readable").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_is_not_continued_from_memory() {
    let database = TestDatabase::create().await;
    let log = process(&database).await;
    let (one, two) = (registered(&log).await, registered(&log).await);
    execute(&log, &context(None), one, goal(30)).await.expect("appended");
    // As a standby that had not yet got the last commit.
    for step in [
        "ALTER TABLE events DISABLE TRIGGER events_are_append_only",
        "DELETE FROM events WHERE global_position = 3",
        "UPDATE log_head SET position = 2",
        "ALTER TABLE events ENABLE TRIGGER events_are_append_only",
    ] {
        sqlx::query(step).execute(&database.pool).await.expect("done");
    }
    let outcome = execute(&log, &context(None), one, goal(60)).await.expect("appended");
    assert_eq!((outcome.sequence, outcome.position), (2, 3), "the goal of 30 minutes was lost");
    execute(&log, &context(None), two, goal(60)).await.expect("appended");
    let events = log.read(0, 10).await.expect("readable");
    let places: Vec<_> = events.iter().map(|event| (event.position, event.sequence)).collect();
    assert_eq!(places, [(1, 1), (2, 1), (3, 2), (4, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_counts_only_at_its_sequence_and_in_the_schema_of_this_build() {
    let database = TestDatabase::create().await;
    let log = process(&database).await;
    let id = registered(&log).await;
    for n in 0..120_u16 {
        execute(&log, &context(None), id, goal(10 + n)).await.expect("appended");
    }
    let (sequence, state): (i64, serde_json::Value) = sqlx::query_as("SELECT sequence, state FROM aggregate_snapshots")
        .fetch_one(&database.pool)
        .await
        .expect("kept");
    let stream = log.read_stream::<User>(TENANT, &id.to_string(), 0).await.expect("readable");
    let payloads: Vec<&Event> = stream.iter().map(|event| &event.payload).collect();
    let until = usize::try_from(sequence).expect("few");
    let folded = serde_json::to_value(User::fold(payloads[..until].iter().copied())).expect("JSON");
    assert_eq!(state, folded, "it is the state after exactly as many events");
    let truth = serde_json::to_value(User::fold(payloads)).expect("JSON");
    // A snapshot that lies, of a sequence that hides it: it shows whether the snapshot is used.
    let lie = "UPDATE aggregate_snapshots SET sequence = 121, state = '{\"profile\": null}'";
    sqlx::query(lie).execute(&database.pool).await.expect("changed");
    let loaded = |log: EventLog| async move {
        let loaded = log.load::<User>(TENANT, &id.to_string()).await.expect("readable");
        (loaded.sequence, serde_json::to_value(&*loaded.state).expect("JSON"))
    };
    assert_ne!(loaded(process(&database).await).await.1, truth, "a snapshot is believed");
    for ignored in
        ["schema_version = schema_version + 1", "schema_version = 1, sequence = 122", "sequence = 121, state = '7'"]
    {
        let change = format!("UPDATE aggregate_snapshots SET {ignored}");
        sqlx::query(&change).execute(&database.pool).await.expect("changed");
        assert_eq!(loaded(process(&database).await).await, (121, truth.clone()), "with {ignored}");
    }
}
