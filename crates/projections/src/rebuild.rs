//! Deriving a projection again from the first event, beside the live tables, which serve queries meanwhile.
//!
//! [`rebuild`] lets the new tables take the place of the old ones; [`compare`] only says whether the live tables are
//! what the log says they are. Both build in a schema of their own and run whether or not workers do: a worker whose
//! cursor was moved under it goes on from where it now is. Grants on the old tables are lost with them: give them by
//! `ALTER DEFAULT PRIVILEGES`.

mod comparison;
mod shadow;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use baeum_eventlog::EventLog;

pub use self::comparison::{Comparison, Difference, TableComparison};
use self::shadow::Shadow;
use crate::{Projection, ProjectionError, cursor};

/// How often the tables are exchanged anew when a query stood in the way.
const ATTEMPTS: u32 = 5;

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
/// then.
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
    let shadow = Shadow::new(log, projection, "rebuild");
    let name = shadow.projection.name();
    shadow
        .run(progress, async |shadow, progress| {
            let mut attempt = 0;
            let mut refused_at = None;
            loop {
                shadow.follow(progress).await?;
                // Live tables that are ahead of a log that does not grow were derived from another one.
                let foreign = refused_at == Some(shadow.position);
                match shadow.take_over(foreign).await {
                    Ok(true) => return Ok(shadow.position),
                    // The live tables are further: follow the log to there first.
                    Ok(false) => refused_at = Some(shadow.position),
                    Err(error) if attempt < ATTEMPTS && is_deadlock(&error) => attempt += 1,
                    Err(source) => return Err(RebuildError::Database { projection: name, source }),
                }
            }
        })
        .await
}

/// Derives a projection again, up to where the live tables are, and compares row by row. Changes nothing.
///
/// # Errors
/// As [`rebuild`].
pub async fn compare(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<Comparison, RebuildError> {
    let shadow = Shadow::new(log, projection, "verify");
    let name = shadow.projection.name();
    shadow
        .run(progress, async |shadow, progress| {
            loop {
                let target = shadow.in_database(cursor::position(log.pool(), name).await)?.unwrap_or(log.floor());
                if target < shadow.position {
                    // Someone has put the live tables back meanwhile.
                    return Err(RebuildError::Busy { projection: name });
                }
                shadow.follow_to(target, progress).await?;
                let compared = shadow.compare().await;
                if let Some(comparison) = shadow.in_database(compared)? {
                    return Ok(comparison);
                }
            }
        })
        .await
}

/// Whether the database broke a transaction off because it and another waited for each other.
fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "40P01")
}
