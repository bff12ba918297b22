//! How far a projection has come: a cursor for each of its partitions.
//!
//! Cursors move by compare-and-set, in the transaction of their effect. This comes first in every transaction that
//! touches the tables of a projection: the lock of the rows then keeps workers and rebuilds apart, and nobody waits for a
//! table while another waits for the cursor.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool};

use crate::Projection;

#[derive(Clone, Debug, FromRow)]
pub(crate) struct Cursor {
    pub(crate) name: String,
    pub(crate) partition: i32,
    pub(crate) position: i64,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Every cursor that there is, by partition.
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<Cursor>, sqlx::Error> {
    sqlx::query_as(
        "SELECT name, partition, position, state, error, updated_at FROM projection_cursors ORDER BY name, partition",
    )
    .fetch_all(pool)
    .await
}

/// The position up to which a projection has taken in everything, `None` where it never ran.
pub(crate) async fn position(pool: &PgPool, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT min(position) FROM projection_cursors WHERE name = $1").bind(name).fetch_one(pool).await
}

/// The position of each partition of a projection, whose cursors are made where it has none.
pub(crate) async fn open(
    pool: &PgPool,
    projection: &dyn Projection,
    now: DateTime<Utc>,
) -> Result<BTreeMap<u32, i64>, sqlx::Error> {
    let partitions = projection.order().partitions();
    let known = positions(pool, projection.name()).await?;
    if known.len() >= partitions as usize {
        return Ok(known);
    }
    sqlx::query(
        "INSERT INTO projection_cursors (name, partition, position, state, updated_at)
         SELECT $1, partition, log_floor(), 'running', $3 FROM generate_series(0, $2 - 1) AS partition
         ON CONFLICT (name, partition) DO NOTHING",
    )
    .bind(projection.name())
    .bind(partitions.cast_signed())
    .bind(now)
    .execute(pool)
    .await?;
    positions(pool, projection.name()).await
}

async fn positions(pool: &PgPool, name: &str) -> Result<BTreeMap<u32, i64>, sqlx::Error> {
    let known: Vec<(i32, i64)> = sqlx::query_as("SELECT partition, position FROM projection_cursors WHERE name = $1")
        .bind(name)
        .fetch_all(pool)
        .await?;
    Ok(known.into_iter().map(|(partition, position)| (partition.cast_unsigned(), position)).collect())
}

/// Moves the cursors of these partitions; `false` when someone else has moved any of them: roll back then.
pub(crate) async fn advance(
    db: &mut PgConnection,
    name: &str,
    partitions: &[u32],
    from: i64,
    to: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE projection_cursors
         SET position = $4, state = 'running', error = NULL, error_position = NULL, updated_at = $5
         WHERE name = $1 AND partition = ANY($2) AND position = $3",
    )
    .bind(name)
    .bind(numbers(partitions))
    .bind(from)
    .bind(to)
    .bind(now)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == partitions.len() as u64)
}

/// The position of each partition of a projection, as this transaction sees it.
pub(crate) async fn seen(db: &mut PgConnection, name: &str) -> Result<BTreeMap<u32, i64>, sqlx::Error> {
    let known: Vec<(i32, i64)> = sqlx::query_as("SELECT partition, position FROM projection_cursors WHERE name = $1")
        .bind(name)
        .fetch_all(db)
        .await?;
    Ok(known.into_iter().map(|(partition, position)| (partition.cast_unsigned(), position)).collect())
}

/// Locks the cursors of a projection until the end of the transaction, so that nobody moves them meanwhile. Gives the
/// position of each partition, in order.
pub(crate) async fn lock(db: &mut PgConnection, name: &str) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM projection_cursors WHERE name = $1 ORDER BY partition FOR UPDATE")
        .bind(name)
        .fetch_all(db)
        .await
}

/// Puts all cursors of a projection, which are locked, at a position.
pub(crate) async fn set(db: &mut PgConnection, name: &str, to: i64, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_cursors
         SET position = $2, state = 'running', error = NULL, error_position = NULL, updated_at = $3 WHERE name = $1",
    )
    .bind(name)
    .bind(to)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Records that partitions which failed at `position` fail no more.
pub(crate) async fn recover(
    pool: &PgPool,
    name: &str,
    partitions: &[u32],
    position: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_cursors SET state = 'running', error = NULL, error_position = NULL, updated_at = $4
         WHERE name = $1 AND partition = ANY($2) AND position = $3 AND state = 'failed'",
    )
    .bind(name)
    .bind(numbers(partitions))
    .bind(position)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Why a projection stands still, and at which event, where one is to blame.
pub(crate) struct Standstill<'a> {
    pub(crate) error: &'a str,
    pub(crate) error_position: Option<i64>,
}

/// Records why partitions stand still at `position`.
pub(crate) async fn fail(
    pool: &PgPool,
    name: &str,
    partitions: &[u32],
    position: i64,
    why: Standstill<'_>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_cursors SET state = 'failed', error = $4, error_position = $5, updated_at = $6
         WHERE name = $1 AND partition = ANY($2) AND position = $3",
    )
    .bind(name)
    .bind(numbers(partitions))
    .bind(position)
    .bind(why.error)
    .bind(why.error_position)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

fn numbers(partitions: &[u32]) -> Vec<i32> {
    partitions.iter().map(|it| it.cast_signed()).collect()
}
