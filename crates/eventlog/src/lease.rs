//! Leases: what only one process may do at a time, taken over within seconds when its holder is gone.
//!
//! A lease only keeps others from working in vain: its holder may stall, and go on without knowing that it has ended.
//! What makes work safe is that every cursor moves by compare-and-set in the transaction of its effect, or carries the
//! lease's epoch, which grows with each change of holder.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

/// How long a lease lasts without being renewed.
pub const TTL: Duration = Duration::from_secs(4);
/// How often a holder renews.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);

/// A claim to one lease.
#[derive(Clone, Debug)]
pub struct Lease {
    pool: PgPool,
    name: String,
    holder: Uuid,
}

impl Lease {
    /// A claim of `holder` to the lease `name`; nothing is asked of the database yet.
    pub fn new(pool: PgPool, name: impl Into<String>, holder: Uuid) -> Self {
        Self { pool, name: name.into(), holder }
    }

    /// Takes or renews the lease; `false` while someone else holds it. Time is the database's, one for all.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn hold(&self) -> Result<bool, sqlx::Error> {
        Ok(self.epoch().await?.is_some())
    }

    /// Takes or renews the lease and tells its epoch, higher than that of any holder before; `None` while someone else
    /// holds it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn epoch(&self) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
                 epoch = CASE leases.holder WHEN excluded.holder THEN leases.epoch ELSE excluded.epoch END
             WHERE leases.holder = excluded.holder OR leases.expires_at < now()
             RETURNING epoch",
        )
        .bind(&self.name)
        .bind(self.holder)
        .bind(TTL.as_secs_f64())
        .fetch_optional(&self.pool)
        .await
    }

    /// Gives the lease back, so that another process need not wait for its end.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn release(&self) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
            .bind(&self.name)
            .bind(self.holder)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Drops every lease: for a database that no other process can reach, when its process starts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn release_all(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM leases").execute(pool).await?;
    Ok(())
}
