//! The shard that a database keeps: its head starts at the floor of it, and so every position after that tells it.

use baeum_domain::position::Shard;
use sqlx::PgPool;

use crate::{EventLog, error::LogError};

/// Why a database cannot keep a shard.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// It keeps another one. That is said once and never changed: cursors and answered positions carry it.
    #[error(
        "the database keeps the log of shard {found}, not of shard {wanted}: correct the shards, or give shard {wanted} \
         a database of its own"
    )]
    Another {
        /// What was asked for.
        wanted: Shard,
        /// What it keeps.
        found: Shard,
    },
    /// The database failed.
    #[error("the shard of the database cannot be read or set: {0}")]
    Database(#[from] sqlx::Error),
}

/// Makes a migrated database keep `shard`, which can be said once, while its log is empty. Does nothing where it keeps
/// that shard already.
///
/// # Errors
/// When it keeps another shard, or has events of shard 0, or cannot be reached.
pub async fn assign(pool: &PgPool, shard: Shard) -> Result<(), AssignError> {
    sqlx::query(
        "UPDATE log_head SET shard = $1, position = position + $2 WHERE shard IS NULL AND (position = 0 OR $2 = 0)",
    )
    .bind(i32::from(shard.number()))
    .bind(shard.floor())
    .execute(pool)
    .await?;
    let found: i64 = sqlx::query_scalar("SELECT coalesce(shard, 0)::bigint FROM log_head").fetch_one(pool).await?;
    match Shard::new(found) {
        Ok(found) if found != shard => Err(AssignError::Another { wanted: shard, found }),
        _ => Ok(()),
    }
}

impl EventLog {
    /// The shard of this log.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The position before the first of this log: where cursors start.
    pub fn floor(&self) -> i64 {
        self.shard.floor()
    }

    /// Whether this aggregate is one of the tenant's. Ids are unique in a shard, not secret between its tenants.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn belongs_to(&self, tenant: &str, aggregate_type: &str, id: &str) -> Result<bool, LogError> {
        let found: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM events
                            WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence = 1 AND tenant = $3)",
        )
        .bind(aggregate_type)
        .bind(id)
        .bind(tenant)
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }
}
