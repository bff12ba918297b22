//! Feeds beside a stream that brings the past, the same twice, things out of order, and things that are no events.

use std::time::Duration;

use async_nats::jetstream::Context;
use baeum_eventlog::{EventLog, nats::Broker};
use baeum_testing::{TestDatabase, nats_url, stream_name};
use serde_json::json;

use crate::{
    fan_out::collect,
    stream::{jetstream, remove},
    support::{open, registered, registered_many},
};

/// Publishes by hand.
struct Hand {
    nats: Context,
    subject: String,
}

impl Hand {
    async fn of(stream: &str) -> Self {
        Self { nats: jetstream().await, subject: format!("{stream}.identity.0.UserRegistered") }
    }

    async fn publish(&self, body: String) {
        let sent = self.nats.publish(self.subject.clone(), body.into()).await;
        sent.expect("sent").await.expect("stored");
    }

    /// What the relay would publish for these positions.
    async fn deliver(&self, log: &EventLog, positions: impl IntoIterator<Item = i64>) {
        let events = log.read(0, 10_000).await.expect("readable");
        for position in positions {
            let event = events.iter().find(|event| event.position == position).expect("an event");
            self.publish(serde_json::to_string(event).expect("JSON")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_doubled_and_reordered_messages_do_a_feed_no_harm() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let (writer, reader) = (open(&database, None).await, open(&database, Some(broker)).await);
    registered_many(&writer, 20).await;
    let mut feed = reader.feed();
    collect(&mut feed, 0, 20).await;
    let hand = Hand::of(&stream).await;
    for round in 0..5 {
        let head = 20 + round * 4;
        registered_many(&writer, 4).await;
        // The last before the first, some twice, one never, and old ones between them.
        let strange = [head + 4, 3, head + 1, head + 1, head + 2, 1, head + 4, head + 2];
        hand.deliver(&writer, strange).await;
        collect(&mut feed, head, 4).await;
    }
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_does_not_have_is_not_delivered() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let (writer, reader) = (open(&database, None).await, open(&database, Some(broker)).await);
    registered(&writer).await;
    let mut feed = reader.feed();
    collect(&mut feed, 0, 1).await;
    let mut event = serde_json::to_value(writer.read(0, 1).await.expect("readable").remove(0)).expect("JSON");
    event["position"] = json!(1_000);
    let hand = Hand::of(&stream).await;
    for body in [event.to_string(), "no event".to_owned(), "{}".to_owned()] {
        hand.publish(body).await;
    }
    for _ in 0..5 {
        assert!(feed.next(1, 50, Duration::from_millis(50)).await.expect("readable").is_empty());
    }
    registered(&writer).await;
    collect(&mut feed, 1, 1).await;
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_while_the_stream_is_filled_from_its_beginning() {
    let database = TestDatabase::create().await;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await.expect("NATS answers");
    let (writer, reader) = (open(&database, None).await, open(&database, Some(broker)).await);
    registered_many(&writer, 50).await;
    let mut feed = reader.feed();
    collect(&mut feed, 0, 50).await;
    let filling = tokio::spawn({
        let (log, hand) = (writer.clone(), Hand::of(&stream).await);
        async move {
            for _ in 0..20 {
                hand.deliver(&log, 1..=40).await;
                registered(&log).await;
            }
        }
    });
    collect(&mut feed, 50, 20).await;
    filling.await.expect("filled");
    remove(&stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_without_a_broker_reads_on_at_once_after_a_full_page() {
    let database = TestDatabase::create().await;
    let (writer, reader) = (open(&database, None).await, open(&database, None).await);
    registered_many(&writer, 30).await;
    let mut feed = reader.feed();
    // What another process appends is found when patience is at its end, and then as long as there is more.
    let mut read = feed.next(0, 10, Duration::from_millis(1)).await.expect("readable").len();
    for _ in 0..2 {
        let page = feed.next(i64::try_from(read).expect("few"), 10, Duration::from_secs(3_600));
        read += tokio::time::timeout(Duration::from_secs(60), page).await.expect("at once").expect("readable").len();
    }
    assert_eq!(read, 30);
}
