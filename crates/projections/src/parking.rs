//! Streams of a projection that stand still at an event that cannot be taken in, and their events that wait.
//!
//! Tables are named without a schema, as in [`crate::Projection::apply`]: a rebuild has its own beside its read model.

use std::collections::HashSet;

use baeum_eventlog::{LogError, read_at};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

/// The two tables, which a rebuild copies.
pub const TABLES: [&str; 2] = ["parked_streams", "parked_events"];

/// A stream that stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct ParkedStream {
    /// The key under which the projection keeps its events in order.
    pub key: String,
    /// Position of the event that it stands at.
    pub position: i64,
    /// Why that cannot be taken in.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i32,
    /// How many later events wait.
    pub waiting: i64,
    /// When it was last tried.
    pub parked_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT key, position, reason, attempts, parked_at,
                             (SELECT count(*) FROM parked_events e
                              WHERE e.projection = s.projection AND e.key = s.key) AS waiting
                      FROM parked_streams s WHERE projection = $1";

/// The parked streams of a projection after this key, in the order of their keys.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(pool: &PgPool, projection: &str, after: &str, limit: u32) -> Result<Vec<ParkedStream>, sqlx::Error> {
    sqlx::query_as(&format!("{SELECT} AND key > $2 ORDER BY key LIMIT $3"))
        .bind(projection)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
}

/// A parked stream, if it is one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(pool: &PgPool, projection: &str, key: &str) -> Result<Option<ParkedStream>, sqlx::Error> {
    sqlx::query_as(&format!("{SELECT} AND key = $2")).bind(projection).bind(key).fetch_optional(pool).await
}

/// Those of these streams that stand still at an event of this tenant: a role reaches as far as its tenant.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_tenant(
    pool: &PgPool,
    tenant: &str,
    mut parked: Vec<ParkedStream>,
) -> Result<Vec<ParkedStream>, sqlx::Error> {
    if parked.is_empty() {
        return Ok(parked);
    }
    let positions: Vec<i64> = parked.iter().map(|it| it.position).collect();
    let mut connection = pool.acquire().await?;
    let events = read_at(&mut connection, &positions).await.map_err(|error| match error {
        LogError::Unavailable(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    })?;
    let theirs: HashSet<i64> = events.into_iter().filter(|it| it.tenant == tenant).map(|it| it.position).collect();
    parked.retain(|it| theirs.contains(&it.position));
    Ok(parked)
}

/// How many streams of each projection are parked, and how many of its events are not taken in for that.
pub(crate) async fn counts(pool: &PgPool) -> Result<Vec<(String, i64, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.projection, s.streams, s.streams + coalesce(e.events, 0)
         FROM (SELECT projection, count(*) AS streams FROM parked_streams GROUP BY projection) s
         LEFT JOIN (SELECT projection, count(*) AS events FROM parked_events GROUP BY projection) e USING (projection)",
    )
    .fetch_all(pool)
    .await
}

/// Which of these keys are parked.
pub(crate) async fn among(
    db: &mut PgConnection,
    projection: &str,
    keys: &[&str],
) -> Result<HashSet<String>, sqlx::Error> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM parked_streams WHERE projection = $1)")
        .bind(projection)
        .fetch_one(&mut *db)
        .await?;
    if !any {
        return Ok(HashSet::new());
    }
    let parked: Vec<String> =
        sqlx::query_scalar("SELECT key FROM parked_streams WHERE projection = $1 AND key = ANY($2)")
            .bind(projection)
            .bind(keys)
            .fetch_all(db)
            .await?;
    Ok(parked.into_iter().collect())
}

/// Where a stream stands, if it is parked.
pub(crate) async fn position(db: &mut PgConnection, projection: &str, key: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT position FROM parked_streams WHERE projection = $1 AND key = $2")
        .bind(projection)
        .bind(key)
        .fetch_optional(db)
        .await
}

/// Notes that a stream stands still at an event, which does not wait any more then.
pub(crate) async fn park(
    db: &mut PgConnection,
    projection: &str,
    key: &str,
    position: i64,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO parked_streams AS s (projection, key, position, reason, attempts, parked_at)
         VALUES ($1, $2, $3, $4, 1, $5)
         ON CONFLICT (projection, key) DO UPDATE
         SET position = excluded.position, reason = excluded.reason, parked_at = excluded.parked_at,
             attempts = CASE WHEN s.position = excluded.position THEN s.attempts + 1 ELSE 1 END",
    )
    .bind(projection)
    .bind(key)
    .bind(position)
    .bind(reason)
    .bind(now)
    .execute(&mut *db)
    .await?;
    release(db, projection, key, position).await
}

/// Notes events that wait behind others of their keys.
pub(crate) async fn hold(db: &mut PgConnection, projection: &str, events: &[(i64, &str)]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let (positions, keys): (Vec<i64>, Vec<&str>) = events.iter().copied().unzip();
    sqlx::query(
        "INSERT INTO parked_events (projection, position, key)
         SELECT $1, position, key FROM unnest($2::bigint[], $3::text[]) AS held (position, key)",
    )
    .bind(projection)
    .bind(positions)
    .bind(keys)
    .execute(db)
    .await?;
    Ok(())
}

/// Where those of these keys that are parked stand, and why.
pub(crate) async fn standing(
    db: &mut PgConnection,
    projection: &str,
    keys: &[&str],
) -> Result<Vec<(i64, String)>, sqlx::Error> {
    sqlx::query_as("SELECT position, reason FROM parked_streams WHERE projection = $1 AND key = ANY($2)")
        .bind(projection)
        .bind(keys)
        .fetch_all(db)
        .await
}

/// Positions of every event of a key that is not taken in: the one it stands at, and those that wait.
pub(crate) async fn all_held(db: &mut PgConnection, projection: &str, key: &str) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT position FROM parked_streams WHERE projection = $1 AND key = $2
         UNION SELECT position FROM parked_events WHERE projection = $1 AND key = $2",
    )
    .bind(projection)
    .bind(key)
    .fetch_all(db)
    .await
}

/// Positions of the events of a key that wait after this one, in order.
pub(crate) async fn held(
    db: &mut PgConnection,
    projection: &str,
    key: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT position FROM parked_events WHERE projection = $1 AND key = $2 AND position > $3
         ORDER BY position LIMIT $4",
    )
    .bind(projection)
    .bind(key)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Notes that the events of a key up to this position wait no more.
async fn release(db: &mut PgConnection, projection: &str, key: &str, up_to: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM parked_events WHERE projection = $1 AND key = $2 AND position <= $3")
        .bind(projection)
        .bind(key)
        .bind(up_to)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that a stream goes on.
pub(crate) async fn resume(db: &mut PgConnection, projection: &str, key: &str) -> Result<(), sqlx::Error> {
    release(db, projection, key, i64::MAX).await?;
    sqlx::query("DELETE FROM parked_streams WHERE projection = $1 AND key = $2")
        .bind(projection)
        .bind(key)
        .execute(db)
        .await?;
    Ok(())
}
