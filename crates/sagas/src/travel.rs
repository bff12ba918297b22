//! Travelling time: the clock goes from timer to timer, and what follows from each is done before it goes on.
//!
//! So a year that is travelled comes out as one that was lived, and twice the same: between two moments nothing is half done.

use std::time::{Duration, Instant};

use baeum_commands::{ExecuteError, LogError, operations::advance_clock::advance_clock};
use baeum_domain::operations::simulated_clock::Error;
use baeum_eventlog::EventLog;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{process::Erased, store};

/// Timers that go off within so much time after the next one are waited for together, unless said otherwise.
pub const TOGETHER: TimeDelta = TimeDelta::hours(1);
/// How often it is looked whether there is something left to do.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why the clock did not get on.
#[derive(Debug, thiserror::Error)]
pub enum TravelError {
    /// A rule of the clock, or a failing log.
    #[error(transparent)]
    Clock(#[from] ExecuteError<Error>),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The tables of the processes cannot be read.
    #[error("the tables of the processes cannot be reached: {0}")]
    Store(#[from] sqlx::Error),
}

/// Moves the clock of `logs` to `to` in the name of `actor`, as far as it comes in `patience`, and tells where it stands.
/// Timers that go off within `together` after the next one are waited for at once. `before` is told of each moment before the
/// logs are. Processes must be running somewhere.
///
/// # Errors
/// A clock that goes by itself, an earlier moment, or a failing log.
pub async fn travel<F: Future<Output = ()>>(
    logs: &[EventLog],
    registry: &[Erased],
    actor: &str,
    (to, together): (DateTime<Utc>, TimeDelta),
    patience: Duration,
    before: impl Fn(DateTime<Utc>) -> F,
) -> Result<DateTime<Utc>, TravelError> {
    let began = Instant::now();
    let mut now = logs.first().map_or(to, |log| log.clock().now());
    if let Some(log) = logs.first().filter(|_| to < now) {
        // It is refused at once: time goes forwards only.
        advance_clock(log, actor, to).await?;
    }
    loop {
        while !at_rest(logs, registry, now).await? {
            if began.elapsed() >= patience {
                return Ok(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if now == to {
            return Ok(now);
        }
        let mut next = to;
        for log in logs {
            if let Some(at) = store::next_timers(log.pool(), registry, together).await? {
                next = next.min(at);
            }
        }
        let next = next.max(now);
        before(next).await;
        for log in logs {
            advance_clock(log, actor, next).await?;
        }
        now = next.max(now);
    }
}

/// Whether nothing is left to do at the moment `now`.
///
/// # Errors
/// When a database cannot be reached.
async fn at_rest(logs: &[EventLog], registry: &[Erased], now: DateTime<Utc>) -> Result<bool, TravelError> {
    for log in logs {
        let head = log.head().await?;
        let rests = store::at_rest(log.pool(), registry, head, now).await?;
        // A command that was struck off in between has told the log before.
        if !rests || log.head().await? != head {
            return Ok(false);
        }
    }
    Ok(true)
}
