//! The relay, beside publishing the same messages by the client of NATS with as many on the way.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    self,
    context::PublishAckFuture,
    stream::{Config, StorageType},
};
use baeum_eventlog::{EventLog, Options, nats::Broker, relay};
use baeum_testing::{TestClock, TestDatabase, nats_url, stream_name};
use tokio_util::sync::CancellationToken;

use crate::{Failure, history::write_history, report::Row, servers::tell};

/// How many publishes of the peer are on the way at once; the relay has as many.
const WINDOW: usize = 4_096;
/// How often both carry the whole log, in turn.
const ROUNDS: u32 = 3;
/// How many messages are made and published at once by the peer.
const PAGE: usize = 10_000;

/// Measures over a log of `events` events.
pub(crate) async fn run(events: i64) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    write_history(&database.pool, events).await?;
    sqlx::query("VACUUM ANALYZE events").execute(&database.pool).await?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
    let bodies = bodies(&log).await?;
    let bytes = bodies.iter().map(Vec::len).sum::<usize>() / bodies.len().max(1);
    tell(&format!("relay: {} events, messages of {bytes} bytes", bodies.len()));
    let nats = jetstream::new(async_nats::connect(nats_url()).await?);
    let (mut relayed, mut published) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        published += publish(&nats, &bodies).await?;
        relayed += carry(&nats, &log, events).await?;
    }
    let peer = row(&format!("async-nats pipelined publish with acks, {bytes} bytes"), events, published);
    Ok(vec![row("relay", events, relayed).beside(&peer), peer])
}

/// What the relay publishes as bodies.
async fn bodies(log: &EventLog) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut bodies, mut position) = (vec![], 0);
    loop {
        let events = log.read_raw(position, PAGE).await?;
        let Some(last) = events.last() else { return Ok(bodies) };
        position = last.position;
        for event in &events {
            bodies.push(serde_json::to_vec(event)?);
        }
    }
}

async fn publish(nats: &jetstream::Context, bodies: &[Vec<u8>]) -> Result<Duration, Failure> {
    let stream = stream_name();
    let (name, subjects) = (stream.clone(), vec![format!("{stream}.>")]);
    nats.create_stream(Config { name, subjects, storage: StorageType::File, ..Config::default() }).await?;
    let bodies: Vec<_> = bodies.iter().map(|body| body.clone().into()).collect();
    let subject = format!("{stream}.learning.7.LessonStarted");
    let mut waiting: VecDeque<PublishAckFuture> = VecDeque::with_capacity(WINDOW);
    let began = Instant::now();
    for body in bodies {
        if waiting.len() == WINDOW
            && let Some(first) = waiting.pop_front()
        {
            first.await?;
        }
        waiting.push_back(nats.publish(subject.clone(), body).await?);
    }
    for last in waiting {
        last.await?;
    }
    let took = began.elapsed();
    nats.delete_stream(&stream).await?;
    Ok(took)
}

/// From the start of a relay to the last event in the stream.
async fn carry(nats: &jetstream::Context, log: &EventLog, events: i64) -> Result<Duration, Failure> {
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await?;
    let stop = CancellationToken::new();
    let began = Instant::now();
    let relaying = tokio::spawn(relay::run(log.clone(), broker, stop.clone()));
    let stored = nats.get_stream(&stream).await?;
    while stored.get_info().await?.state.messages < events.unsigned_abs() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = began.elapsed();
    stop.cancel();
    relaying.await?;
    nats.delete_stream(&stream).await?;
    Ok(took)
}

#[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
fn row(subject: &str, events: i64, took: Duration) -> Row {
    let per_second = (events * i64::from(ROUNDS)) as f64 / took.as_secs_f64();
    let empty = Row::new("relay", subject, 1, vec![], took);
    Row { per_second, events_per_second: Some(per_second), ..empty }
}
