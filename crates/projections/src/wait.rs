//! Reading what a command has just written: a query waits, bounded, for the position that the command answered.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::cursor;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The read model has not come as far as was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Behind {
    /// The projection.
    pub projection: String,
    /// How far it is, as far as known.
    pub position: i64,
    /// How far it should be.
    pub wanted: i64,
    /// Why its position is not known, where the database failed.
    pub source: Option<sqlx::Error>,
}

impl Behind {
    fn describe(&self) -> String {
        let Self { projection, position, wanted, source } = self;
        match source {
            None => format!(
                "the read model '{projection}' is at position {position}, not yet at {wanted}: try again in a moment"
            ),
            Some(error) => format!("how far the read model '{projection}' is cannot be learned: {error}"),
        }
    }
}

/// Waits until a projection has taken in the event at `min_position`; `patience` bounds the wait.
///
/// # Errors
/// [`Behind`] when it has not by then, or when the database does not say.
pub async fn wait_for(pool: &PgPool, projection: &str, min_position: i64, patience: Duration) -> Result<(), Behind> {
    let deadline = Instant::now() + patience;
    let behind =
        |position, source| Behind { projection: projection.to_owned(), position, wanted: min_position, source };
    let mut pause = FIRST_PAUSE;
    let mut known = 0;
    loop {
        match cursor::position(pool, projection).await {
            Ok(position) => known = position.unwrap_or(0),
            Err(error) => return Err(behind(known, Some(error))),
        }
        if known >= min_position {
            return Ok(());
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(behind(known, None));
        }
        sleep(pause.min(deadline - now)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
