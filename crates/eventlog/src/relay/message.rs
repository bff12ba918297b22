//! An event as a message of the stream.

use async_nats::{HeaderMap, HeaderName};
use baeum_domain::{Recorded, any::AggregateInfo};

use crate::{RawPayload, error::LogError, nats};

/// Into how many partitions each context's events are divided.
pub const PARTITIONS: u32 = 16;

/// A message that is ready to be published.
pub(super) struct Message {
    pub(super) position: i64,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The message of `event`, which the stream takes only right after its message `last_sequence`.
    pub(super) fn of(event: &Recorded<RawPayload>, stream: &str, last_sequence: u64) -> Result<Self, LogError> {
        let body = serde_json::to_vec(event).map_err(|source| LogError::Unwritable { what: "an event", source })?;
        let headers = headers(event, last_sequence);
        Ok(Self { position: event.position, subject: subject(stream, event), headers, body })
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

/// What CloudEvents 1.0 requires in binary mode (NATS protocol binding), the position, and the fence. The broker looks
/// through them with each message, so what is optional is in the body alone.
fn headers<P>(event: &Recorded<P>, last_sequence: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut insert = |name, value: String| headers.insert(HeaderName::from_static(name), value);
    insert(nats::FENCE, last_sequence.to_string());
    insert(nats::POSITION, event.position.to_string());
    insert(nats::EVENT_ID, event.event_id.to_string());
    insert("ce-specversion", "1.0".to_owned());
    insert("ce-type", event.event_type.clone());
    insert("ce-source", format!("/baeum/{}/{}", event.tenant, event.aggregate_type));
    insert("content-type", "application/json".to_owned());
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
