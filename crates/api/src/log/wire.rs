//! What an event looks like on the wire.

use baeum_domain::Recorded;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// An event as it stands in the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedEvent {
    /// Place in the log: dense within its shard, in commit order.
    pub(crate) position: i64,
    /// Its id, a UUIDv7.
    event_id: Uuid,
    /// Its name, for instance `LessonStarted`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Version of its body.
    version: u16,
    /// Type of its aggregate, for instance `lesson`.
    aggregate_type: String,
    /// Id of its aggregate.
    aggregate_id: String,
    /// Place in the aggregate's own stream: dense, from 1.
    sequence: i64,
    /// Whose log.
    tenant: String,
    /// Who caused it: a user's id, or `saga:<name>`.
    actor: String,
    /// What ties all consequences of one outside request together.
    correlation_id: Uuid,
    /// The command or event that led to it.
    causation_id: Uuid,
    /// When it was appended.
    recorded_at: DateTime<Utc>,
    /// What happened, as it was written.
    #[schema(value_type = Object)]
    data: Value,
}

impl From<Recorded<Value>> for LoggedEvent {
    fn from(event: Recorded<Value>) -> Self {
        let data = match event.payload {
            // Stored under its name.
            Value::Object(mut payload) if payload.len() == 1 && payload.contains_key(&event.event_type) => {
                payload.remove(&event.event_type).unwrap_or_default()
            }
            other => other,
        };
        Self {
            position: event.position,
            event_id: event.event_id,
            kind: event.event_type,
            version: event.event_version,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            sequence: event.sequence,
            tenant: event.tenant,
            actor: event.actor,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            recorded_at: event.recorded_at,
            data,
        }
    }
}
