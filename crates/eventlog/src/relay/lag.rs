//! How far the relay is behind: asked of the database, so that it grows too when no relay is running or it is stuck.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::position::beginning;
use crate::{EventLog, error::LogError};

/// How often the lag is measured.
const EVERY: Duration = Duration::from_secs(1);

/// How far a stream is behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many events it does not have yet, as far as the database knows.
    pub events: i64,
    /// How long the oldest of them has been waiting.
    pub oldest_waiting: Duration,
}

/// How far `stream` is behind the log.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lag(log: &EventLog, stream: &str) -> Result<Lag, LogError> {
    let relayed: Option<i64> = sqlx::query_scalar("SELECT position FROM relay_positions WHERE stream = $1")
        .bind(stream)
        .fetch_optional(&log.pool)
        .await?;
    let relayed = match relayed {
        Some(position) => position,
        None => beginning(&log.pool).await?,
    };
    let (head, waiting): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT position, (SELECT recorded_at FROM events WHERE global_position = $1 + 1) FROM log_head",
    )
    .bind(relayed)
    .fetch_one(&log.pool)
    .await?;
    let waited = waiting.and_then(|since| (log.clock.now() - since).to_std().ok());
    Ok(Lag { events: (head - relayed).max(0), oldest_waiting: waited.unwrap_or_default() })
}

/// Keeps the metrics of the lag of `stream` up to date until `stop`: for every process whose metrics are read.
pub async fn watch_lag(log: EventLog, stream: String, stop: CancellationToken) {
    loop {
        match lag(&log, &stream).await {
            Ok(lag) => {
                metrics::gauge!("baeum_relay_lag_events", "stream" => stream.clone()).set(approximate(lag.events));
                metrics::gauge!("baeum_relay_oldest_waiting_seconds", "stream" => stream.clone())
                    .set(lag.oldest_waiting.as_secs_f64());
            }
            Err(error) => tracing::debug!(%error, "the lag of the relay is not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(events: i64) -> f64 {
    events as f64
}
