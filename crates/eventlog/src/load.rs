//! Loading an aggregate: its snapshot, if there is one, and the events after it.

use baeum_domain::{Decider, Recorded};
use serde_json::Value;

use crate::{
    EventLog,
    decode::{lift, unreadable},
    error::LogError,
    read::{COLUMNS, EventRow},
};

/// A snapshot is taken each time that a stream grows past a multiple of this.
pub(crate) const SNAPSHOT_EVERY: i64 = 100;

/// An aggregate as the log has it.
#[derive(Clone, Debug)]
pub struct Loaded<D> {
    /// Its state.
    pub state: D,
    /// The sequence of its latest event, 0 where there is none.
    pub sequence: i64,
}

impl EventLog {
    /// Loads an aggregate. One that never happened has the default state at sequence 0.
    ///
    /// # Errors
    /// When the database cannot be reached, or the stream holds an event that this build cannot read.
    pub async fn load<D: Decider>(&self, tenant: &str, id: &str) -> Result<Loaded<D>, LogError> {
        let mut loaded = self.snapshot::<D>(tenant, id).await?.unwrap_or(Loaded { state: D::default(), sequence: 0 });
        for event in self.read_stream::<D>(tenant, id, loaded.sequence).await? {
            loaded.state.evolve(&event.payload);
            loaded.sequence = event.sequence;
        }
        Ok(loaded)
    }

    /// The events of one aggregate after `sequence`, in order.
    ///
    /// # Errors
    /// As [`EventLog::load`].
    pub async fn read_stream<D: Decider>(
        &self,
        tenant: &str,
        id: &str,
        sequence: i64,
    ) -> Result<Vec<Recorded<D::Event>>, LogError> {
        let rows: Vec<EventRow> = sqlx::query_as(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3 AND tenant = $4 ORDER BY sequence"
        ))
        .bind(D::AGGREGATE)
        .bind(id)
        .bind(sequence)
        .bind(tenant)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let event: Recorded<Value> = row.into();
                let payload = lift(&event, event.payload.clone())?;
                let payload = serde_json::from_value(payload).map_err(|error| unreadable(&event, error.to_string()))?;
                Ok(event.map(|_| payload))
            })
            .collect()
    }

    async fn snapshot<D: Decider>(&self, tenant: &str, id: &str) -> Result<Option<Loaded<D>>, LogError> {
        let row: Option<(i64, Value)> = sqlx::query_as(
            "SELECT s.sequence, s.state FROM aggregate_snapshots s
             WHERE s.aggregate_type = $1 AND s.aggregate_id = $2 AND s.schema_version = $3
               AND EXISTS (SELECT 1 FROM events e WHERE e.aggregate_type = $1 AND e.aggregate_id = $2
                           AND e.sequence = s.sequence AND e.tenant = $4)",
        )
        .bind(D::AGGREGATE)
        .bind(id)
        .bind(i32::from(D::SNAPSHOT_VERSION))
        .bind(tenant)
        .fetch_optional(&self.pool)
        .await?;
        // A snapshot that cannot be read is as good as none: the events are the truth.
        Ok(row.and_then(|(sequence, state)| Some(Loaded { state: serde_json::from_value(state).ok()?, sequence })))
    }

    /// Keeps the state of a stream that has grown past a multiple of [`SNAPSHOT_EVERY`].
    pub(crate) async fn keep_snapshot<D: Decider>(&self, id: &str, before: i64, now: &Loaded<D>) {
        if before / SNAPSHOT_EVERY == now.sequence / SNAPSHOT_EVERY {
            return;
        }
        let Ok(state) = serde_json::to_value(&now.state) else { return };
        let kept = sqlx::query(
            "INSERT INTO aggregate_snapshots (aggregate_type, aggregate_id, sequence, schema_version, state)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE
             SET sequence = excluded.sequence, schema_version = excluded.schema_version, state = excluded.state
             WHERE aggregate_snapshots.sequence < excluded.sequence
                OR aggregate_snapshots.schema_version <> excluded.schema_version",
        )
        .bind(D::AGGREGATE)
        .bind(id)
        .bind(now.sequence)
        .bind(i32::from(D::SNAPSHOT_VERSION))
        .bind(state)
        .execute(&self.pool)
        .await;
        if let Err(error) = kept {
            tracing::warn!(aggregate = D::AGGREGATE, %error, "a snapshot could not be kept; the next one will be");
        }
    }
}
