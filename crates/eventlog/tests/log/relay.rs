//! The relay: two of them, stalled ones, emptied streams, strangers in the stream, and how far it is behind.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::stream::Stream;
use baeum_eventlog::{
    EventLog, Options,
    lease::Lease,
    nats::Broker,
    relay::{self, lag},
};
use baeum_testing::{TestClock, TestDatabase, eventually, nats_url, new_id, stream_name};
use chrono::TimeDelta;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    line::Line,
    stream::{holds_the_log, jetstream, positions, remove},
    support::{open, registered, registered_many},
};

/// A database, a stream, and a log to append to.
struct World {
    database: TestDatabase,
    name: String,
    log: EventLog,
}

impl World {
    async fn new() -> Self {
        let (database, name) = (TestDatabase::create().await, stream_name());
        let broker = Broker::connect(&nats_url(), &name).await.expect("NATS answers");
        let log = open(&database, Some(broker)).await;
        Self { database, name, log }
    }

    /// A relay as of a process of its own.
    async fn relay(&self) -> Relay {
        self.relay_by(&nats_url()).await
    }

    async fn relay_by(&self, url: &str) -> Relay {
        let broker = Broker::connect(url, &self.name).await.expect("NATS answers");
        let log = open(&self.database, Some(broker.clone())).await;
        let stop = CancellationToken::new();
        Relay { running: tokio::spawn(relay::run(log, broker, stop.clone())), stop }
    }

    async fn stream(&self) -> Stream {
        jetstream().await.get_stream(&self.name).await.expect("the stream exists")
    }

    async fn relayed(&self) -> i64 {
        let stored = sqlx::query_scalar("SELECT position FROM relay_positions WHERE stream = $1").bind(&self.name);
        stored.fetch_optional(&self.database.pool).await.expect("asked").unwrap_or(0)
    }

    /// Waits until everything is relayed; the head of the log.
    async fn all_relayed(&self) -> i64 {
        let head = self.log.head().await.expect("a head");
        eventually("everything is relayed", || async { (self.relayed().await == head).then_some(()) }).await;
        head
    }

    /// As when the lease of a process that stalls has run out.
    async fn take_the_lease_away(&self) {
        sqlx::query("DELETE FROM leases").execute(&self.database.pool).await.expect("deleted");
    }

    async fn end(self) {
        remove(&self.name).await;
    }
}

struct Relay {
    running: JoinHandle<()>,
    stop: CancellationToken,
}

impl Relay {
    async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("the relay ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_far_behind_carries_every_event_in_order() {
    let world = World::new().await;
    registered_many(&world.log, 5_000).await;
    let relay = world.relay().await;
    registered_many(&world.log, 500).await;
    assert_eq!(world.all_relayed().await, 5_500);
    holds_the_log(&world.stream().await, 5_500).await;
    relay.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_started_at_once_leave_each_position_in_the_stream_once_and_in_order() {
    let world = World::new().await;
    registered_many(&world.log, 2_000).await;
    let (one, two) = tokio::join!(world.relay(), world.relay());
    registered_many(&world.log, 500).await;
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    one.stop().await;
    two.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_take_the_lease_from_each_other_under_load_leave_each_position_once_and_in_order() {
    let world = World::new().await;
    let (one, two, three) = tokio::join!(world.relay(), world.relay(), world.relay());
    for _ in 0..12 {
        registered_many(&world.log, 400).await;
        // Whoever holds it goes on until it renews; the others start at once.
        world.take_the_lease_away().await;
    }
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM relay_positions")
        .fetch_one(&world.database.pool)
        .await
        .expect("an epoch");
    assert!(epoch > 1, "the lease has changed hands");
    for relay in [one, two, three] {
        relay.stop().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stalls_beyond_its_lease_and_wakes_up_does_no_harm() {
    let world = World::new().await;
    let line = Line::to(&nats_url()).await;
    let stalled = world.relay_by(&line.url()).await;
    registered_many(&world.log, 200).await;
    world.all_relayed().await;
    // What it publishes from now on stays on the way, as if the process had been stopped in the middle of it.
    line.hold();
    registered_many(&world.log, 300).await;
    let heir = world.relay().await;
    world.take_the_lease_away().await;
    eventually("another relay goes on", || async {
        // Until the heir has it, the stalled one may renew.
        if world.relayed().await < 500 {
            world.take_the_lease_away().await;
        }
        (world.relayed().await == 500).then_some(())
    })
    .await;
    line.release();
    registered_many(&world.log, 100).await;
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    // It is well again: alone, it goes on.
    heir.stop().await;
    registered_many(&world.log, 50).await;
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    stalled.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_takes_over_when_the_first_is_killed() {
    let world = World::new().await;
    let first = world.relay().await;
    registered_many(&world.log, 100).await;
    world.all_relayed().await;
    let second = world.relay().await;
    let appending = tokio::spawn({
        let log = world.log.clone();
        async move { registered_many(&log, 1_000).await }
    });
    first.running.abort();
    appending.await.expect("appended");
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    second.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_store_was_emptied_is_filled_again_from_the_log() {
    let world = World::new().await;
    let relay = world.relay().await;
    registered_many(&world.log, 1_500).await;
    let head = world.all_relayed().await;
    let filled = async || {
        eventually("the stream is filled", || async {
            let stream = jetstream().await.get_stream(&world.name).await.ok()?;
            (stream.cached_info().state.messages == 1_500).then_some(())
        })
        .await;
        holds_the_log(&world.stream().await, head).await;
    };
    filled().await;
    // As when its store is lost, with nothing new to relay.
    remove(&world.name).await;
    filled().await;
    world.stream().await.purge().await.expect("purged");
    filled().await;
    // And while no relay runs.
    relay.stop().await;
    remove(&world.name).await;
    let relay = world.relay().await;
    filled().await;
    relay.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgot_its_last_messages_gets_them_again() {
    let world = World::new().await;
    let relay = world.relay().await;
    registered_many(&world.log, 100).await;
    world.all_relayed().await;
    relay.stop().await;
    // The broker went back to an earlier state, as one does whose machine failed before its files were synced.
    let stream = world.stream().await;
    let first: Vec<_> = futures::future::join_all((1..=60).map(|it| stream.get_raw_message(it))).await;
    remove(&world.name).await;
    Broker::connect(&nats_url(), &world.name).await.expect("a new stream");
    let nats = jetstream().await;
    for message in first {
        let message = message.expect("a message");
        let sent = nats.publish_with_headers(message.subject, message.headers, message.payload).await;
        sent.expect("sent").await.expect("stored");
    }
    let relay = world.relay().await;
    eventually("the rest is there again", || async {
        (world.stream().await.cached_info().state.messages == 100).then_some(())
    })
    .await;
    holds_the_log(&world.stream().await, 100).await;
    relay.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_strangers_in_the_stream_do_not_stop_the_relay() {
    let world = World::new().await;
    let relay = world.relay().await;
    registered_many(&world.log, 50).await;
    world.all_relayed().await;
    let nats = jetstream().await;
    let copy = world.stream().await.get_raw_message(7).await.expect("a message");
    for round in 0..10 {
        let subject = format!("{}.strange.0.Thing", world.name);
        nats.publish(subject.clone(), "no event".into()).await.expect("sent").await.expect("stored");
        // A copy with all headers but those that the broker checks.
        let mut headers = async_nats::HeaderMap::new();
        for (name, values) in copy.headers.iter().filter(|(name, _)| !name.to_string().starts_with("Nats-")) {
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
        let copied = nats.publish_with_headers(subject, headers, copy.payload.clone()).await;
        copied.expect("sent").await.expect("stored");
        registered_many(&world.log, 10 + round).await;
        world.all_relayed().await;
    }
    let head = world.log.head().await.expect("a head");
    let mut expected = 0;
    let held = positions(&world.stream().await).await;
    for position in held {
        if position == expected + 1 {
            expected = position;
        } else {
            assert_eq!(position, 7, "only the copies are out of order");
        }
    }
    assert_eq!(expected, head);
    relay.stop().await;
    // A relay that starts behind strangers goes on where the last one stopped.
    for _ in 0..30 {
        nats.publish(format!("{}.strange.0.Thing", world.name), "x".into()).await.expect("sent").await.expect("stored");
    }
    let before = world.stream().await.cached_info().state.messages;
    let relay = world.relay().await;
    registered(&world.log).await;
    world.all_relayed().await;
    assert_eq!(world.stream().await.cached_info().state.messages, before + 1);
    relay.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_messages_age_is_not_filled_again() {
    let world = World::new().await;
    let relay = world.relay().await;
    registered_many(&world.log, 40).await;
    world.all_relayed().await;
    relay.stop().await;
    let mut config = world.stream().await.cached_info().config.clone();
    config.max_messages = 10;
    jetstream().await.update_stream(&config).await.expect("limited");
    world.stream().await.purge().await.expect("purged");
    let relay = world.relay().await;
    registered_many(&world.log, 5).await;
    world.all_relayed().await;
    assert_eq!(positions(&world.stream().await).await, [41, 42, 43, 44, 45]);
    relay.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_rises_while_no_relay_runs_and_while_its_broker_is_silent() {
    let (database, name) = (TestDatabase::create().await, stream_name());
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("opens");
    let measured = async || lag(&log, &name).await.expect("measured");
    assert_eq!((measured().await.events, measured().await.oldest_waiting), (0, Duration::ZERO));
    registered_many(&log, 3).await;
    clock.advance(TimeDelta::seconds(10));
    let without = measured().await;
    assert_eq!((without.events, without.oldest_waiting), (3, Duration::from_secs(10)));
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(measured().await.oldest_waiting, Duration::from_secs(15), "nothing is appended, and it rises");
    let line = Line::to(&nats_url()).await;
    let broker = Broker::connect(&line.url(), &name).await.expect("NATS answers");
    let stop = CancellationToken::new();
    let relaying = tokio::spawn(relay::run(log.clone(), broker, stop.clone()));
    eventually("it catches up", || async { (measured().await.events == 0).then_some(()) }).await;
    assert_eq!(measured().await.oldest_waiting, Duration::ZERO);
    line.hold();
    registered_many(&log, 2).await;
    clock.advance(TimeDelta::seconds(7));
    let stuck = measured().await;
    assert_eq!((stuck.events, stuck.oldest_waiting), (2, Duration::from_secs(7)));
    line.release();
    eventually("it goes on", || async { (measured().await.events == 0).then_some(()) }).await;
    stop.cancel();
    relaying.await.expect("the relay ends");
    remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_new_holder_of_a_lease_has_a_higher_epoch() {
    let database = TestDatabase::create().await;
    let claim = |holder| Lease::new(database.pool.clone(), "relay:x", holder);
    let (one, two) = (claim(new_id()), claim(new_id()));
    let first = one.epoch().await.expect("asked").expect("held");
    assert_eq!(one.epoch().await.expect("renewed"), Some(first));
    assert_eq!(two.epoch().await.expect("asked"), None);
    one.release().await.expect("released");
    let second = two.epoch().await.expect("asked").expect("held");
    sqlx::query("UPDATE leases SET expires_at = now() - interval '1 second'")
        .execute(&database.pool)
        .await
        .expect("set");
    let third = one.epoch().await.expect("asked").expect("held");
    assert!(first < second && second < third, "{first} {second} {third}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_lease_lets_the_next_relay_go_on_at_once() {
    let world = World::new().await;
    let first = world.relay().await;
    registered(&world.log).await;
    world.all_relayed().await;
    let second = world.relay().await;
    tokio::time::timeout(Duration::from_secs(30), first.stop()).await.expect("it ends");
    registered(&world.log).await;
    let head = world.all_relayed().await;
    holds_the_log(&world.stream().await, head).await;
    second.stop().await;
    world.end().await;
}
