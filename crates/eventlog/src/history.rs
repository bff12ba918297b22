//! Finding a moment of the past in the log, and the events of some streams up to it.

use baeum_domain::Recorded;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    EventLog,
    error::LogError,
    read::{COLUMNS, EventRow},
};

impl EventLog {
    /// The position at which the log stood at a moment; [`EventLog::floor`] where nothing had been recorded yet.
    ///
    /// Positions are in commit order, but the clocks of the processes that record may differ, so that times run backwards
    /// in places. The answer p is the one that bisection over positions finds: the event at p was recorded at the moment
    /// or before, and the one after p, if there is one, later. Where clocks differ by s at most, every event recorded
    /// until s before the moment is within it, and none that was recorded from s after it. The bisection tries powers of
    /// two in fixed order, so the answer stays the same while the log grows.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn position_at(&self, moment: DateTime<Utc>) -> Result<i64, LogError> {
        let (floor, head) = (self.floor(), self.head().await?);
        let number: i64 = sqlx::query_scalar(
            "WITH RECURSIVE steps (bit, number) AS (
                 SELECT 39, 0::bigint
                 UNION ALL
                 SELECT bit - 1,
                        CASE WHEN number + (1::bigint << bit) <= $2
                              AND (SELECT recorded_at FROM events
                                   WHERE global_position = $1 + number + (1::bigint << bit)) <= $3
                             THEN number + (1::bigint << bit) ELSE number END
                 FROM steps WHERE bit >= 0
             )
             SELECT number FROM steps WHERE bit = -1",
        )
        .bind(floor)
        .bind(head - floor)
        .bind(moment)
        .fetch_one(&self.pool)
        .await?;
        Ok(floor + number)
    }

    /// When the event at a position was recorded; `None` where there is none.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn recorded_at(&self, position: i64) -> Result<Option<DateTime<Utc>>, LogError> {
        Ok(sqlx::query_scalar("SELECT recorded_at FROM events WHERE global_position = $1")
            .bind(position)
            .fetch_optional(&self.pool)
            .await?)
    }
}

/// The first `limit` events of some streams (type and id of the aggregate) after `after` up to and including `to`, in the
/// order of the log, read within the transaction of `db`, whatever its search path.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read_streams(
    db: &mut PgConnection,
    streams: &[(String, String)],
    after: i64,
    to: i64,
    limit: usize,
) -> Result<Vec<Recorded<Value>>, LogError> {
    let (types, ids): (Vec<&str>, Vec<&str>) = streams.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).unzip();
    let rows: Vec<EventRow> = sqlx::query_as(&format!(
        "SELECT {COLUMNS} FROM public.events
         JOIN unnest($1::text[], $2::text[]) AS stream (kind, id) ON aggregate_type = kind AND aggregate_id = id
         WHERE global_position > $3 AND global_position <= $4
         ORDER BY global_position LIMIT $5"
    ))
    .bind(types)
    .bind(ids)
    .bind(after)
    .bind(to)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
