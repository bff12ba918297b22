//! Rows of one key of a read model as they were at a position: a cache, which can be emptied at any time.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{Projection, parking};

/// Where checkpoints are kept.
pub(crate) const TABLE: &str = "history_checkpoints";
/// How many checkpoints of a key are kept, the latest made.
const KEPT: i64 = 8;

/// Rows at a position.
pub(super) struct Checkpoint {
    /// Up to where the events of the key are taken in.
    pub(super) position: i64,
    rows: Map<String, Value>,
}

/// The tables of a projection and of its parked streams.
pub(super) fn tables(projection: &dyn Projection) -> impl Iterator<Item = &'static str> + use<> {
    projection.tables().iter().chain(&parking::TABLES).copied()
}

impl Checkpoint {
    /// The latest of a key up to a position that this version of the projection has made.
    pub(super) async fn find(
        pool: &PgPool,
        projection: &dyn Projection,
        key: &str,
        up_to: i64,
    ) -> Result<Option<Self>, sqlx::Error> {
        let found: Option<(i64, Json<Map<String, Value>>)> = sqlx::query_as(
            "SELECT position, rows FROM history_checkpoints
             WHERE projection = $1 AND key = $2 AND position <= $3 AND version = $4 ORDER BY position DESC LIMIT 1",
        )
        .bind(projection.name())
        .bind(key)
        .bind(up_to)
        .bind(i64::from(projection.version()))
        .fetch_optional(pool)
        .await?;
        Ok(found.map(|(position, Json(rows))| Self { position, rows }))
    }

    /// What the tables of a projection hold, on a connection that has chosen them.
    pub(super) async fn take(
        db: &mut PgConnection,
        projection: &dyn Projection,
        position: i64,
    ) -> Result<Self, sqlx::Error> {
        let mut rows = Map::new();
        for table in tables(projection) {
            let sql = format!("SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM {table} t");
            let Json(found): Json<Value> = sqlx::query_scalar(&sql).fetch_one(&mut *db).await?;
            rows.insert(table.to_owned(), found);
        }
        Ok(Self { position, rows })
    }

    /// Puts the rows into the tables, on a connection that has chosen them.
    pub(super) async fn restore(&self, db: &mut PgConnection, projection: &dyn Projection) -> Result<(), sqlx::Error> {
        for table in tables(projection) {
            let Some(rows) = self.rows.get(table).filter(|it| it.as_array().is_some_and(|rows| !rows.is_empty()))
            else {
                continue;
            };
            let sql = format!("INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1)");
            sqlx::query(&sql).bind(Json(rows)).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Keeps it, and forgets those that are too many, or of another version.
    pub(super) async fn keep(
        &self,
        pool: &PgPool,
        projection: &dyn Projection,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let (name, version) = (projection.name(), i64::from(projection.version()));
        sqlx::query(
            "INSERT INTO history_checkpoints (projection, key, position, version, rows, kept_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (projection, key, position) DO UPDATE
             SET version = excluded.version, rows = excluded.rows, kept_at = excluded.kept_at",
        )
        .bind(name)
        .bind(key)
        .bind(self.position)
        .bind(version)
        .bind(Json(&self.rows))
        .bind(now)
        .execute(pool)
        .await?;
        sqlx::query(
            "DELETE FROM history_checkpoints WHERE projection = $1 AND key = $2 AND (version <> $3 OR position NOT IN (
                 SELECT position FROM history_checkpoints WHERE projection = $1 AND key = $2
                 ORDER BY kept_at DESC, position DESC LIMIT $4))",
        )
        .bind(name)
        .bind(key)
        .bind(version)
        .bind(KEPT)
        .execute(pool)
        .await?;
        Ok(())
    }
}

/// Forgets what is kept of a projection, which has been derived again.
pub(crate) async fn forget(db: &mut PgConnection, projection: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM public.history_checkpoints WHERE projection = $1").bind(projection).execute(db).await?;
    Ok(())
}

/// Forgets what is kept of these keys, which are those of a person who is forgotten. Gives the number of rows.
pub(crate) async fn forget_keys(pool: &PgPool, keys: &[&str]) -> Result<u64, sqlx::Error> {
    let sql = "DELETE FROM history_checkpoints WHERE key = ANY($1)";
    Ok(sqlx::query(sql).bind(keys).execute(pool).await?.rows_affected())
}
