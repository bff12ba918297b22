//! Reading the log in the order of its positions.

use baeum_domain::Recorded;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{EventLog, RawPayload, error::LogError};

/// The columns of an event, in the order of [`EventRow`].
pub(crate) const COLUMNS: &str = "global_position, event_id, aggregate_type, aggregate_id, sequence, event_type, \
     event_version, tenant, actor, correlation_id, causation_id, recorded_at, payload";

/// How many events one filtered read looks at, at most.
const SCAN: i64 = 10_000;

#[derive(FromRow)]
pub(crate) struct EventRow<P = Value> {
    global_position: i64,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: String,
    event_version: String,
    tenant: String,
    actor: String,
    correlation_id: Uuid,
    causation_id: Uuid,
    recorded_at: DateTime<Utc>,
    payload: P,
}

impl<P> From<EventRow<P>> for Recorded<P> {
    fn from(row: EventRow<P>) -> Self {
        Self {
            position: row.global_position,
            event_id: row.event_id,
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
            sequence: row.sequence,
            event_type: row.event_type,
            event_version: version(&row.event_version),
            tenant: row.tenant,
            actor: row.actor,
            correlation_id: row.correlation_id,
            causation_id: row.causation_id,
            recorded_at: row.recorded_at,
            payload: row.payload,
        }
    }
}

/// The version that a stored one means. Stock cqrs-es writes such as "1.0"; the number before the point is what counts.
pub(crate) fn version(stored: &str) -> u16 {
    stored.split('.').next().and_then(|it| it.parse().ok()).unwrap_or(u16::MAX)
}

/// Which events to read.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Events of this tenant only.
    pub tenant: Option<String>,
    /// Events of this type only.
    pub event_type: Option<String>,
    /// Events of this aggregate only.
    pub aggregate_id: Option<String>,
}

impl EventLog {
    /// Up to `limit` events after `position`, in order.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read(&self, position: i64, limit: usize) -> Result<Vec<Recorded<Value>>, LogError> {
        self.read_as(position, limit).await
    }

    /// As [`EventLog::read`], with payloads as text: for whoever passes events on, or reads very many.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read_raw(&self, position: i64, limit: usize) -> Result<Vec<Recorded<RawPayload>>, LogError> {
        let events = self.read_as::<Json<RawPayload>>(position, limit).await?;
        Ok(events.into_iter().map(|event| event.map(|Json(payload)| payload)).collect())
    }

    async fn read_as<P>(&self, position: i64, limit: usize) -> Result<Vec<Recorded<P>>, LogError>
    where
        EventRow<P>: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows: Vec<EventRow<P>> = sqlx::query_as(&format!(
            "SELECT {COLUMNS} FROM events WHERE global_position > $1 ORDER BY global_position LIMIT $2"
        ))
        .bind(position)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let events: Vec<Recorded<P>> = rows.into_iter().map(Into::into).collect();
        if let Some(last) = events.last() {
            self.observe_head(last.position);
        }
        Ok(events)
    }

    /// Up to `limit` events after `position` that pass `filter`, and the position up to which the log was looked at.
    ///
    /// A call looks at 10,000 events at most, so that a rare type costs no more than a frequent one; where it found
    /// fewer than `limit`, go on from the returned position until it is the head. One aggregate's events are found by
    /// its key, at once.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read_filtered(
        &self,
        position: i64,
        limit: usize,
        filter: &EventFilter,
    ) -> Result<(Vec<Recorded<Value>>, i64), LogError> {
        let head = self.head().await?;
        let position = position.max(self.floor());
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut end = head.min(position.saturating_add(SCAN));
        let sql = if filter.aggregate_id.is_some() {
            end = head;
            let types = baeum_domain::any::AGGREGATES.iter().map(|info| format!("'{}'", info.aggregate));
            let types = types.collect::<Vec<_>>().join(", ");
            format!(
                "SELECT {COLUMNS} FROM events
                 WHERE aggregate_type IN ({types}) AND aggregate_id = $5
                   AND global_position > $1 AND global_position <= $2
                   AND ($3::text IS NULL OR tenant = $3) AND ($4::text IS NULL OR event_type = $4)
                 ORDER BY global_position LIMIT $6"
            )
        } else {
            format!(
                "SELECT {COLUMNS} FROM events
                 WHERE global_position > $1 AND global_position <= $2
                   AND ($3::text IS NULL OR tenant = $3) AND ($4::text IS NULL OR event_type = $4)
                   AND ($5::text IS NULL OR aggregate_id = $5)
                 ORDER BY global_position LIMIT $6"
            )
        };
        let rows: Vec<EventRow> = sqlx::query_as(&sql)
            .bind(position)
            .bind(end)
            .bind(&filter.tenant)
            .bind(&filter.event_type)
            .bind(&filter.aggregate_id)
            .bind(limit_rows)
            .fetch_all(&self.pool)
            .await?;
        let events: Vec<Recorded<Value>> = rows.into_iter().map(Into::into).collect();
        let looked_at = match events.last() {
            Some(last) if events.len() >= limit => last.position,
            _ => end.max(position),
        };
        Ok((events, looked_at))
    }
}
