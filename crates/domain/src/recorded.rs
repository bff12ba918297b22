//! An event as it stands in the log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event with its place in the log and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// Place in the log: dense within its shard, in commit order; see [`crate::position`].
    pub position: i64,
    /// Id of the event (UUIDv7), the same everywhere that it is published.
    pub event_id: Uuid,
    /// Type of the aggregate, for instance `lesson`.
    pub aggregate_type: String,
    /// Id of the aggregate.
    pub aggregate_id: String,
    /// Place in the aggregate's own stream: dense, from 1.
    pub sequence: i64,
    /// Name of the event, for instance `LessonStarted`.
    pub event_type: String,
    /// Version of the payload.
    pub event_version: u16,
    /// Whose log this is.
    pub tenant: String,
    /// Who caused it: a user's id, or `saga:<name>`.
    pub actor: String,
    /// What ties all the consequences of one outside request together.
    pub correlation_id: Uuid,
    /// The command or event that led to this one.
    pub causation_id: Uuid,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
    /// What happened.
    pub payload: E,
}

impl<E> Recorded<E> {
    /// The same place in the log with another payload.
    pub fn map<F>(self, f: impl FnOnce(E) -> F) -> Recorded<F> {
        Recorded {
            position: self.position,
            event_id: self.event_id,
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            sequence: self.sequence,
            event_type: self.event_type,
            event_version: self.event_version,
            tenant: self.tenant,
            actor: self.actor,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            recorded_at: self.recorded_at,
            payload: f(self.payload),
        }
    }
}
