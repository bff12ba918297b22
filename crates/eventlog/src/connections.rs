//! How connections to the database are kept, and transactions begun.

use std::time::Duration;

use sqlx::{Connection as _, PgPool, Postgres, Transaction, postgres::PgPoolOptions};

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

/// Begins a transaction that is rolled back whenever its caller goes away, even during the beginning itself.
///
/// With `Pool::begin` of sqlx 0.8.4 to 0.9.0 a caller who goes away before `BEGIN` was answered leaves the connection in
/// the transaction, and the next to be given it works in there, holding locks and committing nothing
/// (<https://github.com/launchbadge/sqlx/issues/4393>). So a task of its own sees the beginning to its end.
///
/// # Errors
/// When no connection can be had, or it is lost.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    #[expect(clippy::disallowed_methods, reason = "this is the place that makes it safe")]
    let beginning = tokio::spawn(async move { pool.begin().await });
    // It neither panics nor is it cancelled, unless the runtime ends.
    beginning.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use baeum_testing::TestDatabase;
    use chrono::{DateTime, Utc};
    use tokio::task::yield_now;

    use super::*;

    async fn now(pool: &PgPool) -> DateTime<Utc> {
        sqlx::query_scalar("SELECT now()").fetch_one(pool).await.expect("the connection is in order")
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_while_a_transaction_begins_leaves_no_connection_in_it() {
        let database = TestDatabase::create().await;
        let pool = connections(1).connect_with((*database.pool.connect_options()).clone()).await.expect("connected");
        for patience in (0..600).map(Duration::from_micros) {
            let beginning = tokio::spawn({
                let pool = pool.clone();
                async move { drop(begin(&pool).await) }
            });
            let began = Instant::now();
            while began.elapsed() < patience {
                yield_now().await;
            }
            beginning.abort();
            let _ = beginning.await;
            // Time stands still within a transaction.
            let [first, second] = [now(&pool).await, now(&pool).await];
            assert_ne!(first, second, "after {patience:?}: the connection is still in a transaction");
        }
        pool.close().await;
    }
}
