//! What cannot be appended harms nobody who shares its batch.

use crate::support::{context, execute, goal, process, registered};
use baeum_domain::identity::user::User;
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, LogError, Options, begin};
use baeum_testing::{TestClock, TestDatabase, new_id};
use futures::future::join_all;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_refused_alone() {
    let database = TestDatabase::create().await;
    let log = process(&database).await;
    let ids = join_all((0..40).map(|_| registered(&log))).await;
    let commands = ids.iter().enumerate().map(|(n, id)| {
        let actor = if n % 13 == 7 { "no\0text" } else { "test" };
        let context = CommandContext { actor: actor.into(), ..context(None) };
        let log = &log;
        async move { execute(log, &context, *id, goal(30)).await }
    });
    for (n, outcome) in join_all(commands).await.into_iter().enumerate() {
        match outcome {
            Ok(outcome) => assert!(n % 13 != 7 && outcome.sequence == 2, "command {n}"),
            Err(ExecuteError::Log(LogError::Unavailable(_))) => assert_eq!(n % 13, 7, "command {n}"),
            Err(error) => panic!("command {n}: {error}"),
        }
    }
    assert_eq!(log.head().await.expect("readable"), 40 + 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_conflict_and_commands_that_repeat_are_answered_beside_their_neighbours() {
    let database = TestDatabase::create().await;
    let (here, there) = (process(&database).await, process(&database).await);
    let ids = join_all((0..90).map(|_| registered(&here))).await;
    let keys: Vec<_> = ids.iter().map(|_| new_id()).collect();
    // Of three, one stream has moved on elsewhere, one command was executed elsewhere.
    for (n, (id, key)) in ids.iter().zip(&keys).enumerate() {
        match n % 3 {
            0 => drop(execute(&there, &context(None), *id, goal(50)).await.expect("appended")),
            1 => drop(execute(&there, &context(Some((*key, "a"))), *id, goal(30)).await.expect("appended")),
            _ => {}
        }
    }
    let commands = ids.iter().zip(&keys).map(|(id, key)| {
        let (context, log) = (context(Some((*key, "a"))), &here);
        async move { execute(log, &context, *id, goal(30)).await.expect("done") }
    });
    for (n, outcome) in join_all(commands).await.into_iter().enumerate() {
        let sequence = if n % 3 == 0 { 3 } else { 2 };
        assert_eq!((outcome.sequence, outcome.stored), (sequence, n % 3 == 1), "command {n}");
    }
    let events = here.read(0, 1_000).await.expect("readable");
    assert_eq!(events.len(), 90 + 60 + 60);
    assert!((1..).zip(&events).all(|(position, event)| event.position == position), "positions have gaps");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_queue_holds_is_told_at_once_and_what_it_holds_is_appended() {
    let database = TestDatabase::create().await;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let options = Options { queue: 8, batch: 4, ..Options::default() };
    let log = EventLog::open(database.pool.clone(), clock, None, options).await.expect("the log opens");
    let ids: Vec<_> = join_all((0..8).map(|_| registered(&log))).await;
    let mut held = begin(&database.pool).await.expect("a transaction");
    sqlx::query("SELECT FROM log_head FOR UPDATE").execute(&mut *held).await.expect("held");
    let commands: Vec<_> = (0..100)
        .map(|n: u16| {
            let (log, id) = (log.clone(), ids[usize::from(n % 8)]);
            tokio::spawn(async move { execute(&log, &context(None), id, goal(20 + n)).await })
        })
        .collect();
    // The queue holds 8, and two batches of 4 and as many again may be on their way: the others are told now.
    let busy = || commands.iter().filter(|command| command.is_finished()).count();
    baeum_testing::eventually("the queue is full", async || (busy() >= 100 - 8 - 12).then_some(())).await;
    held.rollback().await.expect("let go");
    let (mut told, mut appended) = (0, 0);
    for command in commands {
        match command.await.expect("no panic") {
            Ok(_) => appended += 1,
            Err(ExecuteError::Log(LogError::Busy)) => told += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(told >= 80 && appended >= 8, "{told} were told, {appended} appended");
    assert_eq!(log.head().await.expect("readable"), 8 + appended);
    let streams =
        join_all(ids.iter().map(async |id| log.load::<User>("main", &id.to_string()).await.expect("readable")));
    let sum: i64 = streams.await.iter().map(|loaded| loaded.sequence).sum();
    assert_eq!(sum, 8 + appended);
}
