//! Reading single events of the log: those at given positions, and those of one type of aggregate.

use baeum_domain::Recorded;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    EventLog,
    error::LogError,
    read::{COLUMNS, EventRow},
};

/// The events at these positions, in order, read within the transaction of `db`, whatever its search path.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read_at(db: &mut PgConnection, positions: &[i64]) -> Result<Vec<Recorded<Value>>, LogError> {
    let rows: Vec<EventRow> = sqlx::query_as(&format!(
        "SELECT {COLUMNS} FROM public.events WHERE global_position = ANY($1) ORDER BY global_position"
    ))
    .bind(positions)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

impl EventLog {
    /// Every event of one type of aggregate, in no particular order: for types of which there are few.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read_aggregates(&self, aggregate_type: &str) -> Result<Vec<Recorded<Value>>, LogError> {
        let rows: Vec<EventRow> = sqlx::query_as(&format!("SELECT {COLUMNS} FROM events WHERE aggregate_type = $1"))
            .bind(aggregate_type)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}
