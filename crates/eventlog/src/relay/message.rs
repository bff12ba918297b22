//! An event as a message of the stream.

use async_nats::HeaderMap;
use baeum_domain::{Recorded, any::AggregateInfo};

use crate::{RawPayload, error::LogError, nats};

/// Into how many partitions each context's events are divided.
pub const PARTITIONS: u32 = 16;

/// A message that is ready to be published.
pub(super) struct Message {
    pub(super) position: i64,
    pub(super) event_id: String,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The message of `event`, which the stream takes only right after its message `last_sequence`.
    pub(super) fn of(event: &Recorded<RawPayload>, stream: &str, last_sequence: u64) -> Result<Self, LogError> {
        let body = serde_json::to_vec(event).map_err(|source| LogError::Unwritable { what: "an event", source })?;
        let event_id = event.event_id.to_string();
        let headers = headers(event, &event_id, last_sequence);
        Ok(Self { position: event.position, event_id, subject: subject(stream, event), headers, body })
    }
}

/// `<stream>.<context>.<partition>.<Event>`.
fn subject<P>(stream: &str, event: &Recorded<P>) -> String {
    let context = AggregateInfo::of(&event.aggregate_type).map_or("unknown", |info| info.context);
    format!("{stream}.{context}.{}.{}", partition(&event.aggregate_id), event.event_type)
}

/// The partition of an aggregate: the same for all of its events, for ever (FNV-1a of its id, modulo [`PARTITIONS`]).
pub fn partition(aggregate_id: &str) -> u32 {
    let hash =
        aggregate_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % PARTITIONS
}

/// CloudEvents 1.0 in binary mode (NATS protocol binding), with the position as an extension, and the fence.
fn headers<P>(event: &Recorded<P>, event_id: &str, last_sequence: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(nats::FENCE, last_sequence.to_string());
    headers.insert(nats::POSITION, event.position.to_string());
    headers.insert("ce-specversion", "1.0");
    headers.insert(nats::MESSAGE_ID, event_id);
    headers.insert(nats::EVENT_ID, event_id);
    headers.insert("ce-type", event.event_type.as_str());
    headers.insert("ce-source", format!("/baeum/{}/{}", event.tenant, event.aggregate_type));
    headers.insert("ce-subject", event.aggregate_id.as_str());
    headers.insert("ce-time", event.recorded_at.to_rfc3339());
    headers.insert("content-type", "application/json");
    headers
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
