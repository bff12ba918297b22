//! The deliveries of webhooks: which events they are to be told of, and how that goes.
//!
//! They are rows, not events: telling one event to some partner would otherwise put several more into the log, and the log
//! has whatever is told already. Deeds of operators about them are events.

use baeum_domain::ids::WebhookId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

/// How many deliveries of one webhook are under way at a time.
const AT_ONCE: i64 = 8;

/// A delivery that waits to be made.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PendingDelivery {
    /// The webhook.
    pub webhook_id: Uuid,
    /// Position of the event.
    pub position: i64,
    /// Whose log.
    pub tenant: String,
    /// Id of the event.
    pub event_id: Uuid,
    /// How often it was tried.
    pub attempts: i32,
    /// How many of these attempts were before its latest replay.
    pub forgiven: i32,
}

/// A delivery as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct ListedDelivery {
    /// The webhook.
    pub webhook_id: Uuid,
    /// Position of the event.
    pub position: i64,
    /// Its type.
    pub event_type: String,
    /// `pending`, `delivered` or `dead_lettered`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last attempt failed, as a code.
    pub last_error: Option<String>,
    /// When it is tried next, while it is pending.
    pub next_attempt_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The partner took it.
    Delivered,
    /// It is tried again.
    Retry {
        /// Why it failed.
        reason: String,
        /// When it is tried again.
        at: DateTime<Utc>,
    },
    /// It is given up.
    DeadLettered {
        /// Why it failed.
        reason: String,
    },
}

/// Notes that a webhook is to be told of an event; once, however often that is noted.
///
/// # Errors
/// When the database cannot be reached.
pub async fn enqueue(
    db: &mut PgConnection,
    webhook: WebhookId,
    event: (i64, Uuid, &str),
    tenant: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (position, event_id, event_type) = event;
    sqlx::query(
        "INSERT INTO webhook_deliveries (webhook_id, position, tenant, event_id, event_type, next_attempt_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
    )
    .bind(webhook.0)
    .bind(position)
    .bind(tenant)
    .bind(event_id)
    .bind(event_type)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Drops what a webhook was not told yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn drop_pending(db: &mut PgConnection, webhook: WebhookId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND state <> 'delivered'")
        .bind(webhook.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Makes a delivery pending that was given up after so many attempts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revive(
    db: &mut PgConnection,
    webhook: WebhookId,
    (position, attempts): (i64, u32),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE webhook_deliveries SET state = 'pending', forgiven = attempts, next_attempt_at = $4, updated_at = $4
         WHERE webhook_id = $1 AND position = $2 AND attempts = $3 AND state = 'dead_lettered'",
    )
    .bind(webhook.0)
    .bind(position)
    .bind(attempts.cast_signed())
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// The deliveries of these webhooks that are due, those that wait longest first, a few of each, so that a slow partner does
/// not keep the others waiting.
///
/// # Errors
/// When the database cannot be reached.
pub async fn due(pool: &PgPool, webhooks: &[Uuid], now: DateTime<Utc>) -> Result<Vec<PendingDelivery>, sqlx::Error> {
    sqlx::query_as(
        "SELECT due.webhook_id, due.position, due.tenant, due.event_id, due.attempts, due.forgiven
         FROM unnest($1::uuid[]) AS one(id), LATERAL (
             SELECT * FROM webhook_deliveries
             WHERE webhook_id = one.id AND state = 'pending' AND next_attempt_at <= $2
             ORDER BY next_attempt_at, position LIMIT $3
         ) AS due
         ORDER BY due.next_attempt_at, due.position",
    )
    .bind(webhooks)
    .bind(now)
    .bind(AT_ONCE)
    .fetch_all(pool)
    .await
}

/// When the next delivery that is not due yet will be.
///
/// # Errors
/// When the database cannot be reached.
pub async fn next_due(
    pool: &PgPool,
    webhooks: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT min(next.at) FROM unnest($1::uuid[]) AS one(id), LATERAL (
             SELECT min(next_attempt_at) AS at FROM webhook_deliveries
             WHERE webhook_id = one.id AND state = 'pending' AND next_attempt_at > $2
         ) AS next",
    )
    .bind(webhooks)
    .bind(now)
    .fetch_one(pool)
    .await
}

/// Records how the next attempt of a delivery went, unless that is recorded already.
///
/// # Errors
/// When the database cannot be reached.
pub async fn conclude(
    pool: &PgPool,
    delivery: &PendingDelivery,
    conclusion: Conclusion,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (state, reason, at) = match conclusion {
        Conclusion::Delivered => ("delivered", None, now),
        Conclusion::Retry { reason, at } => ("pending", Some(reason), at),
        Conclusion::DeadLettered { reason } => ("dead_lettered", Some(reason), now),
    };
    sqlx::query(
        "UPDATE webhook_deliveries
         SET state = $4, attempts = attempts + 1, last_error = $5, next_attempt_at = $6, updated_at = $7
         WHERE webhook_id = $1 AND position = $2 AND attempts = $3 AND state = 'pending'",
    )
    .bind(delivery.webhook_id)
    .bind(delivery.position)
    .bind(delivery.attempts)
    .bind(state)
    .bind(reason)
    .bind(at)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets deliveries that were made before a moment.
///
/// # Errors
/// When the database cannot be reached.
pub async fn prune(pool: &PgPool, before: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM webhook_deliveries WHERE state = 'delivered' AND updated_at < $1")
        .bind(before)
        .execute(pool)
        .await?;
    Ok(())
}

/// How often a delivery was tried that was given up; `None` for any other.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find_dead(
    pool: &PgPool,
    tenant: &str,
    webhook: WebhookId,
    position: i64,
) -> Result<Option<u32>, sqlx::Error> {
    let found: Option<i32> = sqlx::query_scalar(
        "SELECT attempts FROM webhook_deliveries
         WHERE webhook_id = $1 AND position = $2 AND tenant = $3 AND state = 'dead_lettered'",
    )
    .bind(webhook.0)
    .bind(position)
    .bind(tenant)
    .fetch_optional(pool)
    .await?;
    Ok(found.map(i32::cast_unsigned))
}

/// The deliveries of a tenant, of one webhook or of all, in one state or in any, in the order of their events after a
/// position: `limit` of them, and the rest of the last event's.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(
    pool: &PgPool,
    tenant: &str,
    webhook: Option<WebhookId>,
    state: Option<&str>,
    (after, limit): (i64, u32),
) -> Result<Vec<ListedDelivery>, sqlx::Error> {
    sqlx::query_as(
        "SELECT webhook_id, position, event_type, state, attempts, last_error, next_attempt_at, updated_at
         FROM webhook_deliveries
         WHERE tenant = $1 AND ($2::uuid IS NULL OR webhook_id = $2) AND ($3::text IS NULL OR state = $3)
           AND position > $4
         ORDER BY position FETCH FIRST $5 ROWS WITH TIES",
    )
    .bind(tenant)
    .bind(webhook.map(|it| it.0))
    .bind(state)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
}
