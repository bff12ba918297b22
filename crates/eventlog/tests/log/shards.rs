//! Shards: positions carry the shard of their database, from the first event on and in every way of reading.

use std::time::Duration;

use crate::support::{TENANT, context, execute, open, register, registered};
use baeum_domain::position::{Shard, number};
use baeum_eventlog::{
    EventFilter, EventLog,
    nats::Broker,
    relay,
    shard::{AssignError, assign},
};
use baeum_testing::{TestDatabase, eventually, nats_url, new_id, stream_name};
use tokio_util::sync::CancellationToken;

fn shard(number: i64) -> Shard {
    Shard::new(number).expect("a shard")
}

/// The log of a new database that keeps this shard.
async fn log_of(database: &TestDatabase, number: i64, broker: Option<Broker>) -> EventLog {
    assign(&database.pool, shard(number)).await.expect("an empty log");
    open(database, broker).await
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_dense_from_the_floor_of_the_shard() {
    let (one, other) = (TestDatabase::create().await, TestDatabase::create().await);
    let logs = [log_of(&one, 3, None).await, log_of(&other, 0, None).await];
    for log in &logs {
        let floor = log.floor();
        assert_eq!(log.head().await.expect("readable"), floor);
        for _ in 0..5 {
            registered(log).await;
        }
        let events = log.read(floor, 10).await.expect("readable");
        assert_eq!(log.read(0, 10).await.expect("readable"), events, "0 stands before every shard");
        let expected: Vec<_> = (1..=5).map(|n| (Some(log.shard()), n)).collect();
        let found: Vec<_> = events.iter().map(|it| (Shard::of(it.position), number(it.position))).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(logs.map(|log| log.shard()), [shard(3), shard(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_read_from_the_start_finds_the_first_events_of_a_high_shard_at_once() {
    let database = TestDatabase::create().await;
    let log = log_of(&database, 4095, None).await;
    registered(&log).await;
    let filter = EventFilter { tenant: Some(TENANT.into()), ..EventFilter::default() };
    let (events, looked_at) = log.read_filtered(0, 10, &filter).await.expect("readable");
    assert_eq!((events.len(), looked_at), (1, log.floor() + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_and_relay_start_at_the_floor_whatever_they_are_asked_from() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let (writer, reader) =
        (log_of(&database, 2, Some(broker.clone())).await, open(&database, Some(broker.clone())).await);
    let stop = CancellationToken::new();
    let relaying = tokio::spawn(relay::run(writer.clone(), broker.clone(), stop.clone()));
    let embedded = open(&database, None).await;
    for mut feed in [reader.feed(), embedded.feed()] {
        let before = reader.head().await.expect("readable");
        let mut position = 0;
        for _ in 0..10 {
            registered(&writer).await;
        }
        let end = before + 10;
        let mut next = reader.floor() + 1;
        while position < end {
            for event in feed.next(position, 4, Duration::from_millis(500)).await.expect("readable") {
                assert_eq!(event.position, next, "the feed has a gap");
                (position, next) = (event.position, next + 1);
            }
        }
    }
    // An empty stretch is waited for; a cursor of 0 must not make the tail spin.
    let empty = TestDatabase::create().await;
    let log = log_of(&empty, 1, None).await;
    let waited =
        tokio::time::timeout(Duration::from_millis(200), log.feed().next(0, 10, Duration::from_secs(60))).await;
    assert!(waited.is_err(), "nothing was there to be read: {waited:?}");
    eventually("everything is relayed", || async {
        let position: i64 =
            sqlx::query_scalar("SELECT position FROM relay_positions").fetch_one(&database.pool).await.ok()?;
        (position == writer.floor() + 20).then_some(())
    })
    .await;
    stop.cancel();
    relaying.await.expect("the relay ends");
    let nats = async_nats::connect(nats_url()).await.expect("NATS answers");
    async_nats::jetstream::new(nats).delete_stream(&stream).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shard_of_a_database_is_said_once() {
    let database = TestDatabase::create().await;
    let log = log_of(&database, 7, None).await;
    assign(&database.pool, shard(7)).await.expect("the same again");
    for wanted in [0, 8] {
        let error = assign(&database.pool, shard(wanted)).await.expect_err("another");
        assert!(matches!(error, AssignError::Another { found, .. } if found == shard(7)), "{error}");
        assert!(error.to_string().starts_with("the database keeps the log of shard 7, not of shard "), "{error}");
    }
    registered(&log).await;
    assign(&database.pool, shard(7)).await.expect("the same, with events");

    let old = TestDatabase::create().await;
    registered(&open(&old, None).await).await;
    assert!(assign(&old.pool, shard(1)).await.is_err(), "events without a shard are of shard 0");
    assign(&old.pool, shard(0)).await.expect("which it keeps");
    assert_eq!(open(&old, None).await.head().await.expect("readable"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_full_refuses_an_event_and_does_not_flow_into_the_next() {
    let database = TestDatabase::create().await;
    let log = log_of(&database, 1, None).await;
    sqlx::query("UPDATE log_head SET position = $1")
        .bind(shard(2).floor() - 1)
        .execute(&database.pool)
        .await
        .expect("set");
    let id = new_id();
    assert!(execute(&log, &context(None), id, register(id)).await.is_err());
    assert_eq!(log.head().await.expect("readable"), shard(2).floor() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_belongs_to_one_tenant() {
    let database = TestDatabase::create().await;
    let log = log_of(&database, 1, None).await;
    let id = registered(&log).await.to_string();
    assert!(log.belongs_to(TENANT, "user", &id).await.expect("readable"));
    for (tenant, kind, id) in [("other", "user", &id), (TENANT, "lesson", &id), (TENANT, "user", &new_id().to_string())]
    {
        assert!(!log.belongs_to(tenant, kind, id).await.expect("readable"), "{tenant} {kind} {id}");
    }
}
