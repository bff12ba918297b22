//! The relay: carries the log to the stream of the broker, in the order of positions.
//!
//! It goes on from the position that it has stored, so after a crash some events are published again, with the same
//! `Nats-Msg-Id`; none is left out. One relay is active at a time, by lease.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use baeum_domain::{Recorded, any::AggregateInfo};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    EventLog,
    error::LogError,
    lease::{Lease, RENEW_EVERY},
    nats::Broker,
};

/// Into how many partitions each context's events are divided.
pub const PARTITIONS: u32 = 16;
/// How many publishes may wait for their acknowledgement.
const PIPELINE: usize = 512;
/// How often the relay looks for events that nobody told it of.
const POLL: Duration = Duration::from_millis(250);

/// Relays until `stop`. What fails is tried again; nothing is skipped.
pub async fn run(log: EventLog, broker: Broker, stop: CancellationToken) {
    let holder = log.clock.new_id();
    let lease = Lease::new(log.pool.clone(), format!("relay:{}", broker.stream), holder);
    loop {
        let session = tokio::select! {
            session = session(&log, &broker, &lease) => session,
            () = stop.cancelled() => break,
        };
        if let Err(error) = session {
            metrics::counter!("baeum_relay_errors_total").increment(1);
            tracing::warn!(%error, "the relay was interrupted and tries again");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.cancelled() => break,
        }
    }
    let _ = lease.release().await;
}

/// Relays for as long as the lease is held.
async fn session(log: &EventLog, broker: &Broker, lease: &Lease) -> Result<(), LogError> {
    while !lease.hold().await? {
        tokio::time::sleep(RENEW_EVERY).await;
    }
    broker.ensure_stream().await?;
    let subject = broker.head_subject();
    let mut news = broker.client.subscribe(subject).await.map_err(|error| LogError::Broker(error.to_string()))?;
    let mut position = stored_position(log, &broker.stream).await?;
    tracing::info!(stream = broker.stream, position, "relaying");
    let mut tail = log.tail();
    let mut renewed = Instant::now();
    loop {
        if renewed.elapsed() >= RENEW_EVERY {
            if !lease.hold().await? {
                return Ok(());
            }
            renewed = Instant::now();
        }
        let events = tail.next(position, PIPELINE, Duration::ZERO).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            let _ = timeout(POLL, news.next()).await;
            continue;
        };
        publish(broker, &events).await?;
        if !move_position(log, &broker.stream, position, last).await? {
            return Ok(());
        }
        position = last;
        metrics::gauge!("baeum_relay_position").set(approximate(position));
        metrics::counter!("baeum_relay_events_total").increment(u64::try_from(events.len()).unwrap_or(0));
    }
}

async fn publish(broker: &Broker, events: &[Recorded<Value>]) -> Result<(), LogError> {
    let broken = |error: String| LogError::Broker(format!("publishing failed: {error}"));
    let mut acknowledgements = Vec::with_capacity(events.len());
    for event in events {
        let payload = serde_json::to_vec(event).map_err(|source| LogError::Unwritable { what: "an event", source })?;
        let subject = subject(&broker.stream, event);
        let sent = broker.jetstream.publish_with_headers(subject, headers(event), payload.into()).await;
        acknowledgements.push(sent.map_err(|error| broken(error.to_string()))?);
    }
    for acknowledgement in acknowledgements {
        acknowledgement.await.map_err(|error| broken(error.to_string()))?;
    }
    Ok(())
}

/// `<stream>.<context>.<partition>.<Event>`.
fn subject(stream: &str, event: &Recorded<Value>) -> String {
    let context = AggregateInfo::of(&event.aggregate_type).map_or("unknown", |info| info.context);
    format!("{stream}.{context}.{}.{}", partition(&event.aggregate_id), event.event_type)
}

/// The partition of an aggregate: the same for all of its events, for ever (FNV-1a of its id, modulo [`PARTITIONS`]).
pub fn partition(aggregate_id: &str) -> u32 {
    let hash =
        aggregate_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % PARTITIONS
}

/// CloudEvents 1.0 in binary mode (NATS protocol binding), and the id by which JetStream drops what it has.
fn headers(event: &Recorded<Value>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", event.event_id.to_string());
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", event.event_id.to_string());
    headers.insert("ce-type", event.event_type.as_str());
    headers.insert("ce-source", format!("/baeum/{}/{}", event.tenant, event.aggregate_type));
    headers.insert("ce-subject", event.aggregate_id.as_str());
    headers.insert("ce-time", event.recorded_at.to_rfc3339());
    headers.insert("content-type", "application/json");
    headers
}

async fn stored_position(log: &EventLog, stream: &str) -> Result<i64, LogError> {
    sqlx::query(
        "INSERT INTO relay_positions (stream, position) VALUES ($1, log_floor()) ON CONFLICT (stream) DO NOTHING",
    )
    .bind(stream)
    .execute(&log.pool)
    .await?;
    Ok(sqlx::query_scalar("SELECT position FROM relay_positions WHERE stream = $1")
        .bind(stream)
        .fetch_one(&log.pool)
        .await?)
}

/// Moves the stored position by compare-and-set; `false` when another relay has moved it.
async fn move_position(log: &EventLog, stream: &str, from: i64, to: i64) -> Result<bool, LogError> {
    let moved =
        sqlx::query("UPDATE relay_positions SET position = $3, updated_at = now() WHERE stream = $1 AND position = $2")
            .bind(stream)
            .bind(from)
            .bind(to)
            .execute(&log.pool)
            .await?;
    Ok(moved.rows_affected() == 1)
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(position: i64) -> f64 {
    position as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn partitions_never_change() {
        let ids: Vec<u32> = (0..6_u128).map(|n| partition(&Uuid::from_u128(n).to_string())).collect();
        assert_eq!(ids, [1, 14, 11, 8, 13, 10]);
    }
}
