//! How connections to the database are kept.

use std::time::Duration;

use sqlx::{Connection as _, postgres::PgPoolOptions};

/// A connection that was used so recently is taken to be alive.
const TRUSTED: Duration = Duration::from_secs(1);

/// Options of a pool of at most so many connections. One that lay idle is tested before it is used, which a busy pool is
/// spared: that is a round trip before every statement.
pub fn connections(most: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(most).test_before_acquire(false).before_acquire(|connection, known| {
        Box::pin(async move {
            if known.idle_for >= TRUSTED {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
}
