//! Reading rows: each query gives its rows as JSON objects, read into the types of the domain. One statement reads a
//! row with all that hangs on it, so what it gives is of one moment.

use serde::de::DeserializeOwned;
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

/// The row that `sql` gives for a key (`$1`), if there is one.
pub(crate) async fn find<T>(db: impl PgExecutor<'_>, sql: &str, key: Uuid) -> Result<Option<T>, sqlx::Error>
where
    T: DeserializeOwned + Send + Unpin + 'static,
{
    let row: Option<Json<T>> = sqlx::query_scalar(sql).bind(key).fetch_optional(db).await?;
    Ok(row.map(|Json(row)| row))
}

/// The rows that `sql` gives for a key (`$1`), at most `limit` (`$2`).
pub(crate) async fn list<T>(db: impl PgExecutor<'_>, sql: &str, key: Uuid, limit: u32) -> Result<Vec<T>, sqlx::Error>
where
    T: DeserializeOwned + Send + Unpin + 'static,
{
    let rows: Vec<Json<T>> = sqlx::query_scalar(sql).bind(key).bind(i64::from(limit)).fetch_all(db).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}
