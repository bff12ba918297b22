//! Reading very much of the log, for whoever derives something from all of it.

use baeum_domain::Recorded;
use serde_json::value::RawValue;
use sqlx::{Row, postgres::PgRow};

use crate::{
    EventLog, RawPayload,
    error::LogError,
    read::{COLUMNS, version},
};

impl EventLog {
    /// The events after `after` up to and including `to`, in order, but for those of aggregates of some types.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn scan(&self, after: i64, to: i64, without: &[&str]) -> Result<Vec<Recorded<RawPayload>>, LogError> {
        // The limit lets nothing out: it tells the planner that the index gives the order.
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE global_position > $1 AND global_position <= $2 AND aggregate_type <> ALL ($3)
             ORDER BY global_position LIMIT $4"
        ))
        .bind(after)
        .bind(to)
        .bind(without)
        .bind(to.saturating_sub(after).max(0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
    }
}

/// An event by the places of [`COLUMNS`], which are found faster than names.
fn event(row: &PgRow) -> Result<Recorded<RawPayload>, sqlx::Error> {
    // What `json` sends is its text.
    let payload: String = row.try_get_unchecked(12)?;
    Ok(Recorded {
        position: row.try_get(0)?,
        event_id: row.try_get(1)?,
        aggregate_type: row.try_get(2)?,
        aggregate_id: row.try_get(3)?,
        sequence: row.try_get(4)?,
        event_type: row.try_get(5)?,
        event_version: version(row.try_get(6)?),
        tenant: row.try_get(7)?,
        actor: row.try_get(8)?,
        correlation_id: row.try_get(9)?,
        causation_id: row.try_get(10)?,
        recorded_at: row.try_get(11)?,
        payload: RawValue::from_string(payload).map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}
