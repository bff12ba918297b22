//! Fan-out: feeds in both modes, the relay, leases. Real Postgres, real JetStream.

use std::time::Duration;

use crate::{
    stream::{messages, remove},
    support::{open, registered},
};
use baeum_eventlog::{Feed, lease::Lease, nats::Broker, relay};
use baeum_testing::{TestDatabase, eventually, nats_url, new_id, stream_name};
use tokio_util::sync::CancellationToken;

/// Follows a feed until it has brought `count` events, and checks that nothing is missing or doubled.
pub(crate) async fn collect(feed: &mut Feed, mut position: i64, count: i64) {
    let end = position + count;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while position < end {
        assert!(tokio::time::Instant::now() < deadline, "the feed stopped at {position} of {end}");
        for event in feed.next(position, 50, Duration::from_millis(200)).await.expect("readable") {
            assert_eq!(event.position, position + 1, "the feed has a gap");
            position = event.position;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_in_process_tail_brings_every_event_in_order() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let mut feed = log.feed();
    let appending = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..120 {
                registered(&log).await;
            }
        }
    });
    collect(&mut feed, 0, 120).await;
    appending.await.expect("appended");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_a_feed_in_another_process_through_jetstream() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let (writer, reader) = (open(&database, Some(broker.clone())).await, open(&database, Some(broker.clone())).await);
    let stop = CancellationToken::new();
    let relaying = tokio::spawn(relay::run(writer.clone(), broker.clone(), stop.clone()));
    let mut feed = reader.feed();
    for _ in 0..30 {
        registered(&writer).await;
    }
    collect(&mut feed, 0, 30).await;
    for _ in 0..30 {
        registered(&writer).await;
    }
    collect(&mut feed, 30, 30).await;
    let relayed = eventually("everything is relayed", || async {
        let position: i64 =
            sqlx::query_scalar("SELECT position FROM relay_positions").fetch_one(&database.pool).await.ok()?;
        (position == 60).then_some(position)
    })
    .await;
    assert_eq!(relayed, 60);
    stop.cancel();
    relaying.await.expect("the relay ends");
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_over_doubles_nothing_in_the_stream() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let log = open(&database, Some(broker.clone())).await;
    for _ in 0..20 {
        registered(&log).await;
    }
    for _ in 0..2 {
        let stop = CancellationToken::new();
        let relaying = tokio::spawn(relay::run(log.clone(), broker.clone(), stop.clone()));
        eventually("everything is relayed", || async {
            let position: i64 =
                sqlx::query_scalar("SELECT position FROM relay_positions").fetch_one(&database.pool).await.ok()?;
            (position == 20).then_some(())
        })
        .await;
        stop.cancel();
        relaying.await.expect("the relay ends");
        // As after a crash before the position was stored.
        sqlx::query("UPDATE relay_positions SET position = 0").execute(&database.pool).await.expect("set back");
    }
    assert_eq!(messages(&stream).await, 20);
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_fills_from_the_log_what_the_broker_lost() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let log = open(&database, Some(broker.clone())).await;
    let mut feed = log.feed();
    assert!(feed.next(0, 50, Duration::from_millis(50)).await.expect("readable").is_empty());
    // No relay runs: the stream stays empty, the log does not.
    for _ in 0..5 {
        registered(&log).await;
    }
    collect(&mut feed, 0, 5).await;
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_and_passes_on_when_it_is_released() {
    let database = TestDatabase::create().await;
    let claim = |holder| Lease::new(database.pool.clone(), "relay:x", holder);
    let (one, two) = (claim(new_id()), claim(new_id()));
    assert!(one.hold().await.expect("asked"));
    assert!(!two.hold().await.expect("asked"));
    assert!(one.hold().await.expect("renewed"));
    one.release().await.expect("released");
    assert!(two.hold().await.expect("asked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_holder_is_gone_is_taken_over_within_seconds() {
    let database = TestDatabase::create().await;
    let claim = |holder| Lease::new(database.pool.clone(), "relay:x", holder);
    assert!(claim(new_id()).hold().await.expect("asked"));
    let heir = claim(new_id());
    eventually("the lease ends", || async { heir.hold().await.expect("asked").then_some(()) }).await;
}
