//! How far the seal is behind: asked of the database, so that it grows too when no sealer is running or it stands still.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{EventLog, error::LogError};

/// How often the lag is measured.
const EVERY: Duration = Duration::from_secs(1);

/// How far the seal is behind the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many events are sealed.
    pub sealed: i64,
    /// How many are not yet.
    pub events: i64,
    /// How long the oldest of those has been waiting.
    pub oldest_waiting: Duration,
    /// Why the sealer does not go on, where it does not.
    pub misfit: Option<String>,
}

/// How far the seal is behind the log.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lag(log: &EventLog) -> Result<Lag, LogError> {
    let (sealed, misfit, head, waiting): (i64, Option<String>, i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT s.size, s.misfit, h.position,
                (SELECT recorded_at FROM events WHERE global_position = $1 + s.size + 1)
         FROM seal_head s CROSS JOIN log_head h",
    )
    .bind(log.floor())
    .fetch_one(&log.pool)
    .await?;
    let waited = waiting.and_then(|since| (log.clock.now() - since).to_std().ok());
    let events = (head - log.floor() - sealed).max(0);
    Ok(Lag { sealed, events, oldest_waiting: waited.unwrap_or_default(), misfit })
}

/// Keeps the metrics of the seal up to date until `stop`: for every process whose metrics are read.
pub async fn watch_lag(log: EventLog, stop: CancellationToken) {
    let shard = log.shard().to_string();
    loop {
        match lag(&log).await {
            Ok(lag) => {
                let gauge = |name: &'static str, value| metrics::gauge!(name, "shard" => shard.clone()).set(value);
                gauge("baeum_seal_position", approximate(lag.sealed));
                gauge("baeum_seal_lag_events", approximate(lag.events));
                gauge("baeum_seal_oldest_waiting_seconds", lag.oldest_waiting.as_secs_f64());
                gauge("baeum_seal_misfit", f64::from(u8::from(lag.misfit.is_some())));
            }
            Err(error) => tracing::debug!(%error, "the lag of the seal is not known"),
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
