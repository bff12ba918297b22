//! Deriving a projection again from the first event, beside the live tables, which serve queries meanwhile.
//!
//! [`rebuild`] lets the new tables take the place of the old ones; [`compare`] only says whether the live tables are
//! what the log says they are. Both build in a schema of their own and run whether or not workers do: a worker whose
//! cursor was moved under it goes on from where it now is. Nothing is done twice but the tables: a projection has no
//! other effects. Grants on the old tables are lost with them: give them by `ALTER DEFAULT PRIVILEGES`.
//!
//! A rebuild that is stopped or killed leaves its tables, and how far they have come in `rebuilds`; the next one of the
//! same version of the projection goes on with them.

mod comparison;
mod pipeline;
mod shadow;
mod swap;
#[cfg(test)]
mod tests;

use std::{sync::Arc, thread::available_parallelism};

use baeum_eventlog::EventLog;
use tokio_util::sync::CancellationToken;

pub use self::comparison::{Comparison, Difference, TableComparison};
use self::shadow::Shadow;
pub(crate) use self::shadow::choose_tables;
use crate::{Projection, ProjectionError, cursor};

/// How often the last step is tried again when something stood in the way.
const ATTEMPTS: u32 = 5;

/// How a projection is to be derived again.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many workers fold and write beside each other; fewer where there are fewer partitions or connections.
    pub workers: usize,
    /// Begin anew, even where an unfinished rebuild could be gone on with.
    pub from_scratch: bool,
    /// Stop when this is cancelled, and keep what is done for the next time.
    pub stop: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        let workers = available_parallelism().map_or(1, usize::from);
        Self { workers, from_scratch: false, stop: CancellationToken::new() }
    }
}

/// What came of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new tables have taken the place of the old ones, at this position.
    Rebuilt(i64),
    /// It was stopped when it had come this far; the live tables are as they were.
    Paused(i64),
}

/// Why a projection could not be derived again. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database did not answer, or refused.
    #[error("'{projection}' was not rebuilt: {source}")]
    Database {
        /// The projection.
        projection: &'static str,
        /// What happened.
        source: sqlx::Error,
    },
    /// The log cannot be read, or an event of it not be taken in.
    #[error("'{projection}' was not rebuilt, it stopped{}: {error}", at(*.position))]
    Stopped {
        /// The projection.
        projection: &'static str,
        /// The event that it stopped at, where one is to blame.
        position: Option<i64>,
        /// Why.
        error: ProjectionError,
    },
    /// Partitions of the live tables are far apart.
    #[error(
        "the partitions of '{projection}' are far apart: wait until its workers have caught up, or mend what holds them"
    )]
    Uneven {
        /// The projection.
        projection: &'static str,
    },
    /// Another process is at it.
    #[error("'{projection}' is being rebuilt by another process: wait for it")]
    Busy {
        /// The projection.
        projection: &'static str,
    },
}

fn at(position: Option<i64>) -> String {
    position.map(|position| format!(" at position {position}")).unwrap_or_default()
}

/// Derives a projection again and puts the result in the place of the live tables. Answers the position that it has
/// then. Goes on with an unfinished rebuild where there is one.
///
/// `progress` is told how far it is, and the head.
///
/// # Errors
/// When the database fails, an event cannot be taken in, or another process is at it.
pub async fn rebuild(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<i64, RebuildError> {
    match rebuild_with(log, projection, &Options::default(), progress).await? {
        Outcome::Rebuilt(position) | Outcome::Paused(position) => Ok(position),
    }
}

/// The same as [`rebuild`], as `options` say.
///
/// # Errors
/// As [`rebuild`].
pub async fn rebuild_with(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    options: &Options,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Outcome, RebuildError> {
    let mut shadow = Shadow::new(log, projection, "rebuild");
    shadow.enter().await?;
    let outcome = run(&mut shadow, options, &mut progress).await;
    shadow.leave().await;
    outcome
}

async fn run(
    shadow: &mut Shadow,
    options: &Options,
    progress: &mut (impl FnMut(i64, i64) + Send),
) -> Result<Outcome, RebuildError> {
    let resumed = if options.from_scratch { Ok(false) } else { shadow.resume().await };
    if !shadow.in_database(resumed)? {
        let created = shadow.create().await;
        shadow.in_database(created)?;
    }
    let mut attempt = 0;
    let mut backwards = false;
    loop {
        if !shadow.follow(options.workers, &options.stop, progress).await? {
            return Ok(Outcome::Paused(shadow.position()));
        }
        match shadow.take_over(backwards).await {
            Ok(Some(position)) => return Ok(Outcome::Rebuilt(position)),
            Ok(None) => {
                // Live tables that are ahead of the log itself were derived from another one.
                let head = shadow.log.head().await.map_err(|error| shadow.stopped(error.into()))?;
                backwards = head <= shadow.position();
            }
            Err(failure) if attempt < ATTEMPTS && failure.error.is_contention() => attempt += 1,
            Err(failure) => return Err(shadow.stopped(failure)),
        }
    }
}

/// Derives a projection again, up to where the live tables are, and compares row by row. Changes nothing.
///
/// # Errors
/// As [`rebuild`].
pub async fn compare(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Comparison, RebuildError> {
    let mut shadow = Shadow::new(log, projection, "verify");
    shadow.enter().await?;
    let compared = match shadow.create().await {
        Ok(()) => run_comparison(&mut shadow, &mut progress).await,
        Err(source) => shadow.in_database(Err(source)),
    };
    let dropped = shadow.drop_schema().await;
    shadow.leave().await;
    let comparison = compared?;
    shadow.in_database(dropped)?;
    Ok(comparison)
}

async fn run_comparison(
    shadow: &mut Shadow,
    progress: &mut (impl FnMut(i64, i64) + Send),
) -> Result<Comparison, RebuildError> {
    let options = Options::default();
    let name = shadow.projection.name();
    let (mut attempt, mut earlier) = (0, None);
    loop {
        let target = shadow.in_database(cursor::position(shadow.pool(), name).await)?.unwrap_or(shadow.log.floor());
        if target < shadow.position() {
            // Someone has put the live tables back meanwhile.
            return Err(shadow.busy());
        }
        shadow.follow_to(target, options.workers, &options.stop, progress).await?;
        match shadow.compare().await {
            Ok(Some(comparison)) => return Ok(comparison),
            // What holds all partitions back is one of them.
            Ok(None) if earlier == Some(target) => return Err(RebuildError::Uneven { projection: name }),
            Ok(None) => earlier = Some(target),
            Err(failure) if attempt < ATTEMPTS && failure.error.is_contention() => attempt += 1,
            Err(failure) => return Err(shadow.stopped(failure)),
        }
    }
}
