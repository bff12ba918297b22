//! How far a projection has come. The cursor moves by compare-and-set, in the transaction of its effect.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool};

#[derive(Clone, Debug, FromRow)]
pub(crate) struct Cursor {
    pub(crate) name: String,
    pub(crate) position: i64,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Every cursor that there is.
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<Cursor>, sqlx::Error> {
    sqlx::query_as("SELECT name, position, state, error, updated_at FROM projection_cursors").fetch_all(pool).await
}

/// The position of a projection, `None` where it never ran.
pub(crate) async fn position(pool: &PgPool, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM projection_cursors WHERE name = $1").bind(name).fetch_optional(pool).await
}

/// The position of a projection, whose cursor is made where it has none.
pub(crate) async fn open(pool: &PgPool, name: &str, now: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    if let Some(position) = position(pool, name).await? {
        return Ok(position);
    }
    sqlx::query(
        "INSERT INTO projection_cursors (name, position, state, updated_at) VALUES ($1, log_floor(), 'running', $2)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(position(pool, name).await?.unwrap_or(0))
}

/// Moves a cursor; `false` when someone else has moved it.
///
/// This comes first in every transaction that touches the tables of a projection: the row's lock then keeps workers and
/// rebuilds apart, and nobody waits for a table while another waits for the cursor.
pub(crate) async fn advance(
    db: &mut PgConnection,
    name: &str,
    from: i64,
    to: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE projection_cursors
         SET position = $3, state = 'running', error = NULL, error_position = NULL, updated_at = $4
         WHERE name = $1 AND position = $2",
    )
    .bind(name)
    .bind(from)
    .bind(to)
    .bind(now)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Locks a cursor until the end of the transaction, so that nobody moves it meanwhile.
pub(crate) async fn lock(db: &mut PgConnection, name: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM projection_cursors WHERE name = $1 FOR UPDATE")
        .bind(name)
        .fetch_one(db)
        .await
}

/// Records that a projection which failed at `position` fails no more.
pub(crate) async fn recover(pool: &PgPool, name: &str, position: i64, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_cursors SET state = 'running', error = NULL, error_position = NULL, updated_at = $3
         WHERE name = $1 AND position = $2 AND state = 'failed'",
    )
    .bind(name)
    .bind(position)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Records why a projection stands still at `position`.
pub(crate) async fn fail(
    pool: &PgPool,
    name: &str,
    position: i64,
    error: &str,
    error_position: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_cursors SET state = 'failed', error = $3, error_position = $4, updated_at = $5
         WHERE name = $1 AND position = $2",
    )
    .bind(name)
    .bind(position)
    .bind(error)
    .bind(error_position)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}
