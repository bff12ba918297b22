//! Loading an aggregate: its snapshot, if there is one, and the events after it.

use std::sync::Arc;

use baeum_domain::{Decider, Recorded};
use sqlx::{Row as _, postgres::PgRow, types::Json};

use crate::{
    EventLog, RawPayload,
    decode::Stored,
    error::LogError,
    read::{COLUMNS, EventRow, version},
};

/// A snapshot is taken each time that a stream grows past a multiple of this.
pub(crate) const SNAPSHOT_EVERY: i64 = 100;

/// An aggregate as the log has it.
#[derive(Debug)]
pub struct Loaded<D> {
    /// Its state, shared with whoever else has it at this sequence.
    pub state: Arc<D>,
    /// The sequence of its latest event, 0 where there is none.
    pub sequence: i64,
}

impl<D> Clone for Loaded<D> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), sequence: self.sequence }
    }
}

impl<D: Decider> Loaded<D> {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), sequence: 0 }
    }

    /// The aggregate after events that were decided on it.
    pub(crate) fn after(&self, events: &[D::Event]) -> Self {
        let mut state = D::clone(&self.state);
        for event in events {
            state.evolve(event);
        }
        Self { state: Arc::new(state), sequence: self.sequence + i64::try_from(events.len()).unwrap_or(i64::MAX) }
    }
}

/// The events of a stream from a sequence on. With `from` 0: those after the snapshot, which comes first, without a type.
///
/// A snapshot counts only where the event that it stands at is in the log, under this tenant.
const STREAM: &str = "
WITH snapshot AS MATERIALIZED (
    SELECT s.sequence, s.state FROM aggregate_snapshots s
    WHERE $3 = 0 AND s.aggregate_type = $1 AND s.aggregate_id = $2 AND s.schema_version = $5
      AND EXISTS (SELECT FROM events e WHERE e.aggregate_type = $1 AND e.aggregate_id = $2
                  AND e.sequence = s.sequence AND e.tenant = $4)
)
SELECT 0::bigint AS global_position, sequence, NULL AS event_type, NULL AS event_version, state AS payload FROM snapshot
UNION ALL
(SELECT global_position, sequence, event_type, event_version, payload FROM events
 WHERE aggregate_type = $1 AND aggregate_id = $2 AND tenant = $4
   AND sequence >= $3 AND sequence > COALESCE((SELECT sequence FROM snapshot), 0)
 ORDER BY sequence)";

impl EventLog {
    /// Loads an aggregate. One that never happened has the default state at sequence 0.
    ///
    /// One round trip: what this process knows already, or the latest snapshot, and the events after it.
    ///
    /// # Errors
    /// When the database cannot be reached, or the stream holds an event that this build cannot read.
    pub async fn load<D: Decider>(&self, tenant: &str, id: &str) -> Result<Loaded<D>, LogError> {
        if let Some(known) = self.cache.get::<D>(tenant, id).filter(|known| known.sequence > 0) {
            let rows = self.stream::<D>(tenant, id, known.sequence).await?;
            let rows = rows.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
            if let Some((latest_known, since)) = rows.split_first()
                && latest_known.sequence == known.sequence
            {
                return self.fold(tenant, id, known, since);
            }
            // The log does not hold what is known of it: it was put back to an earlier moment.
            self.cache.forget::<D>(tenant, id);
        }
        let rows = self.stream::<D>(tenant, id, 0).await?;
        let rows = rows.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
        let (base, since) = match rows.split_first() {
            Some((snapshot, since)) if snapshot.event_type.is_none() => {
                let Ok(state) = serde_json::from_str(snapshot.payload) else {
                    // A snapshot that cannot be read is as good as none: the events are the truth.
                    let rows = self.stream::<D>(tenant, id, 1).await?;
                    let rows = rows.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
                    return self.fold(tenant, id, Loaded::new(), &rows);
                };
                (Loaded { state: Arc::new(state), sequence: snapshot.sequence }, since)
            }
            _ => (Loaded::new(), &rows[..]),
        };
        self.fold(tenant, id, base, since)
    }

    /// Takes the events after `base` into it.
    fn fold<D: Decider>(
        &self,
        tenant: &str,
        id: &str,
        mut base: Loaded<D>,
        since: &[Row<'_>],
    ) -> Result<Loaded<D>, LogError> {
        let Some(last) = since.last() else { return Ok(base) };
        let state = Arc::make_mut(&mut base.state);
        for row in since {
            let stored = Stored {
                position: row.position,
                aggregate_type: D::AGGREGATE,
                event_type: row.event_type.unwrap_or_default(),
                version: version(row.event_version.unwrap_or_default()),
            };
            state.evolve(&stored.read::<D>(row.payload)?);
        }
        base.sequence = last.sequence;
        self.cache.keep(tenant, id, &base, last.position);
        Ok(base)
    }

    async fn stream<D: Decider>(&self, tenant: &str, id: &str, from: i64) -> Result<Vec<PgRow>, sqlx::Error> {
        sqlx::query(STREAM)
            .bind(D::AGGREGATE)
            .bind(id)
            .bind(from)
            .bind(tenant)
            .bind(i32::from(D::SNAPSHOT_VERSION))
            .fetch_all(&self.pool)
            .await
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
        let rows: Vec<EventRow<Json<RawPayload>>> = sqlx::query_as(&format!(
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
                let event: Recorded<Json<RawPayload>> = row.into();
                let payload = Stored::of(&event).read::<D>(event.payload.get())?;
                Ok(event.map(|_| payload))
            })
            .collect()
    }

    /// Keeps the state of a stream that has grown past a multiple of [`SNAPSHOT_EVERY`].
    pub(crate) async fn keep_snapshot<D: Decider>(&self, id: &str, before: i64, now: &Loaded<D>) {
        if before / SNAPSHOT_EVERY == now.sequence / SNAPSHOT_EVERY {
            return;
        }
        let Ok(state) = serde_json::to_value(now.state.as_ref()) else { return };
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

/// A row of [`STREAM`].
struct Row<'r> {
    position: i64,
    sequence: i64,
    event_type: Option<&'r str>,
    event_version: Option<&'r str>,
    payload: &'r str,
}

impl<'r> Row<'r> {
    fn of(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            position: row.try_get(0)?,
            sequence: row.try_get(1)?,
            event_type: row.try_get(2)?,
            event_version: row.try_get(3)?,
            // Its type is json, which is sent as text.
            payload: row.try_get_unchecked(4)?,
        })
    }
}
