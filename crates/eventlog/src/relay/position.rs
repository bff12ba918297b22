//! How far the stream has been fed, as the database knows it: for metrics, and for a stream that cannot tell.

use sqlx::PgPool;

use super::tip::Tip;
use crate::error::LogError;

/// The row of one stream, as the relay of one epoch may write it.
pub(super) struct StoredPosition<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) stream: &'a str,
    pub(super) epoch: i64,
}

impl StoredPosition<'_> {
    /// Claims the row for this epoch, and tells what it says; `None` when a later epoch has claimed it.
    pub(super) async fn claim(&self) -> Result<Option<Tip>, LogError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "INSERT INTO relay_positions (stream, position, epoch) VALUES ($1, $3, $2)
             ON CONFLICT (stream) DO UPDATE SET epoch = excluded.epoch WHERE relay_positions.epoch <= excluded.epoch
             RETURNING position, sequence",
        )
        .bind(self.stream)
        .bind(self.epoch)
        .bind(beginning(self.pool).await?)
        .fetch_optional(self.pool)
        .await?;
        Ok(row.map(|(position, sequence)| Tip { position, sequence: sequence.unsigned_abs() }))
    }

    /// Moves the position; `false` when a later epoch has claimed it.
    pub(super) async fn store(&self, tip: Tip) -> Result<bool, LogError> {
        let moved = sqlx::query(
            "UPDATE relay_positions SET position = $3, sequence = $4, updated_at = now()
             WHERE stream = $1 AND epoch = $2",
        )
        .bind(self.stream)
        .bind(self.epoch)
        .bind(tip.position)
        .bind(tip.sequence.cast_signed())
        .execute(self.pool)
        .await?;
        Ok(moved.rows_affected() == 1)
    }
}

/// The position before the log's first event.
pub(super) async fn beginning(pool: &PgPool) -> Result<i64, LogError> {
    Ok(sqlx::query_scalar("SELECT coalesce((SELECT min(global_position) - 1 FROM events), position) FROM log_head")
        .fetch_one(pool)
        .await?)
}
