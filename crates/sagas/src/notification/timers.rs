//! The tables of the dispatcher: how far it has read the log, and what it is to look at, and when.

use std::collections::BTreeMap;

use baeum_commands::notification::deliver::Delivery;
use baeum_domain::{ids::NotificationId, notification::webhooks::Webhooks};
use baeum_eventlog::begin;
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, types::Json};
use uuid::Uuid;

/// The webhooks of each tenant.
pub(super) type Routes = BTreeMap<String, Webhooks>;

/// A notification to look at on a channel.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Timer {
    notification_id: Uuid,
    channel: String,
    tenant: String,
    correlation_id: Uuid,
    causation_id: Uuid,
    /// As it was read: it tells whether somebody has set the timer anew since.
    pub(super) not_before: DateTime<Utc>,
}

impl Timer {
    /// What to look at; `None` for a channel that this build does not know.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        Some(Delivery {
            tenant: self.tenant.clone(),
            notification_id: NotificationId(self.notification_id),
            channel: self.channel.parse().ok()?,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
        })
    }
}

/// Takes the dispatcher's work over for the holder of its lease in this epoch: the position up to which the log was read,
/// and the webhooks as of that; `None` when a later holder has done so. From then on nothing of an earlier holder is kept.
pub(super) async fn take_over(
    pool: &PgPool,
    epoch: i64,
    now: DateTime<Utc>,
) -> Result<Option<(i64, Routes)>, sqlx::Error> {
    let mut db = begin(pool).await?;
    let position: Option<i64> = sqlx::query_scalar(
        "INSERT INTO notification_dispatch (position, epoch, updated_at) VALUES (log_floor(), $1, $2)
         ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch
             WHERE notification_dispatch.epoch <= excluded.epoch
         RETURNING position",
    )
    .bind(epoch)
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    let routes: Vec<(String, Json<Webhooks>)> =
        sqlx::query_as("SELECT tenant, state FROM webhook_routes").fetch_all(&mut *db).await?;
    db.commit().await?;
    Ok(position.map(|position| (position, routes.into_iter().map(|(tenant, Json(state))| (tenant, state)).collect())))
}

/// Moves the position by compare-and-set; `false` when another has moved it, or has taken the work over.
pub(super) async fn move_position(
    db: &mut PgConnection,
    epoch: i64,
    (from, to): (i64, i64),
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE notification_dispatch SET position = $2, error = NULL, updated_at = $3
         WHERE position = $1 AND epoch = $4",
    )
    .bind(from)
    .bind(to)
    .bind(now)
    .bind(epoch)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Notes why the dispatcher does not get on.
pub(super) async fn note_error(pool: &PgPool, error: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE notification_dispatch SET error = $1").bind(error).execute(pool).await?;
    Ok(())
}

/// Keeps the webhooks of a tenant.
pub(super) async fn keep_route(db: &mut PgConnection, tenant: &str, state: &Webhooks) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO webhook_routes (tenant, state) VALUES ($1, $2)
         ON CONFLICT (tenant) DO UPDATE SET state = excluded.state",
    )
    .bind(tenant)
    .bind(Json(state))
    .execute(db)
    .await?;
    Ok(())
}

/// Sets the timer of a delivery.
pub(super) async fn set(
    db: &mut PgConnection,
    delivery: &Delivery,
    not_before: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO notification_timers (notification_id, channel, tenant, not_before, correlation_id, causation_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (notification_id, channel) DO UPDATE
         SET not_before = excluded.not_before, correlation_id = excluded.correlation_id,
             causation_id = excluded.causation_id",
    )
    .bind(delivery.notification_id.0)
    .bind(delivery.channel.to_string())
    .bind(&delivery.tenant)
    .bind(not_before)
    .bind(delivery.correlation_id)
    .bind(delivery.causation_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the timers of notifications by their ids: those of a person who was forgotten. Gives the number of rows.
pub(crate) async fn forget(db: &mut PgConnection, ids: &[&str]) -> Result<u64, sqlx::Error> {
    let gone = sqlx::query("DELETE FROM notification_timers WHERE notification_id::text = ANY($1)")
        .bind(ids)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}

/// Whether the dispatcher, where it ever ran, has met the event at `position`.
pub(crate) async fn has_passed(pool: &PgPool, position: i64) -> Result<bool, sqlx::Error> {
    let behind: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM notification_dispatch WHERE position < $1)")
        .bind(position)
        .fetch_one(pool)
        .await?;
    Ok(!behind)
}

/// The timers that have run out, the earliest first.
pub(super) async fn due(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<Vec<Timer>, sqlx::Error> {
    sqlx::query_as(
        "SELECT notification_id, channel, tenant, correlation_id, causation_id, not_before FROM notification_timers
         WHERE not_before <= $1 ORDER BY not_before, notification_id, channel LIMIT $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// When the next timer that has not run out yet does.
pub(super) async fn next_due(pool: &PgPool, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar("SELECT min(not_before) FROM notification_timers WHERE not_before > $1")
        .bind(now)
        .fetch_one(pool)
        .await
}

/// Sets a timer that was looked at to `next`, or removes it, unless somebody has set it anew since.
pub(super) async fn settle(pool: &PgPool, timer: &Timer, next: Option<DateTime<Utc>>) -> Result<(), sqlx::Error> {
    let statement = match next {
        Some(_) => {
            "UPDATE notification_timers SET not_before = $4
             WHERE notification_id = $1 AND channel = $2 AND not_before = $3"
        }
        None => {
            "DELETE FROM notification_timers
             WHERE notification_id = $1 AND channel = $2 AND not_before = $3 AND $4::timestamptz IS NULL"
        }
    };
    sqlx::query(statement)
        .bind(timer.notification_id)
        .bind(&timer.channel)
        .bind(timer.not_before)
        .bind(next)
        .execute(pool)
        .await?;
    Ok(())
}
