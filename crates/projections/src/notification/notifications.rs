//! Notifications: the inbox of each person, and how each delivery goes, for operators.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::locale::Language,
    ids::{NotificationId, NotificationTopic, TemplateId, UserId},
    notification::{
        channel::Channel,
        notification::{Event, Notification as Aggregate},
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// A notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Its id.
    pub notification_id: NotificationId,
    /// Who is told.
    pub learner_id: UserId,
    /// Whose log.
    pub tenant: String,
    /// Type of the event that it is about.
    pub cause_type: String,
    /// Position of that event.
    pub cause_position: i64,
    /// The template.
    pub template: TemplateId,
    /// What it is about.
    pub topic: NotificationTopic,
    /// The language.
    pub language: Language,
    /// The template's parameters, in the written form of their kinds.
    pub parameters: BTreeMap<String, String>,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// The position at which it came into the inbox; none before.
    pub inbox_position: Option<i64>,
    /// When it came into the inbox.
    pub inbox_at: Option<DateTime<Utc>>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
    /// Sequence of its own stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// How a notification goes on one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotificationDelivery {
    /// The notification.
    pub notification_id: NotificationId,
    /// The channel.
    pub channel: Channel,
    /// Who is told.
    pub learner_id: UserId,
    /// Whose log.
    pub tenant: String,
    /// `scheduled`, `delivered`, `suppressed`, `dead_lettered` or `cancelled`.
    pub state: String,
    /// Not before when it is sent, while it is scheduled.
    pub not_before: Option<DateTime<Utc>>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why the last attempt failed, or why it is not sent.
    pub reason: Option<String>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// A notification by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(pool: &PgPool, id: NotificationId) -> Result<Option<Notification>, sqlx::Error> {
    row::find(pool, "SELECT to_jsonb(n) FROM notifications n WHERE notification_id = $1", id.0).await
}

/// What is in somebody's inbox, the latest first: what came into it before a position, where one is given, and of that
/// perhaps only what was not read.
///
/// # Errors
/// When the database cannot be reached.
pub async fn inbox(
    pool: &PgPool,
    user: UserId,
    before: Option<i64>,
    unread_only: bool,
    limit: u32,
) -> Result<Vec<Notification>, sqlx::Error> {
    let rows: Vec<Json<Notification>> = sqlx::query_scalar(
        "SELECT to_jsonb(n) FROM notifications n
         WHERE learner_id = $1 AND inbox_position < $2 AND (read_at IS NULL OR NOT $3)
         ORDER BY inbox_position DESC LIMIT $4",
    )
    .bind(user.0)
    .bind(before.unwrap_or(i64::MAX))
    .bind(unread_only)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// What came into somebody's inbox after a position and up to another, in that order.
///
/// # Errors
/// When the database cannot be reached.
pub async fn inbox_since(
    pool: &PgPool,
    user: UserId,
    (after, until): (i64, i64),
    limit: u32,
) -> Result<Vec<Notification>, sqlx::Error> {
    let rows: Vec<Json<Notification>> = sqlx::query_scalar(
        "SELECT to_jsonb(n) FROM notifications n
         WHERE learner_id = $1 AND inbox_position > $2 AND inbox_position <= $3 ORDER BY inbox_position LIMIT $4",
    )
    .bind(user.0)
    .bind(after)
    .bind(until)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// How many of somebody's inbox were not read.
///
/// # Errors
/// When the database cannot be reached.
pub async fn unread(pool: &PgPool, user: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM notifications WHERE learner_id = $1 AND inbox_position IS NOT NULL AND read_at IS NULL",
    )
    .bind(user.0)
    .fetch_one(pool)
    .await
}

/// The deliveries of a tenant in a state, in the order of their last change, after a position.
///
/// # Errors
/// When the database cannot be reached.
pub async fn deliveries(
    pool: &PgPool,
    tenant: &str,
    state: &str,
    (after, limit): (i64, u32),
) -> Result<Vec<NotificationDelivery>, sqlx::Error> {
    let rows: Vec<Json<NotificationDelivery>> = sqlx::query_scalar(
        "SELECT to_jsonb(d) FROM notification_deliveries d
         WHERE tenant = $1 AND state = $2 AND position > $3 ORDER BY position, notification_id LIMIT $4",
    )
    .bind(tenant)
    .bind(state)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `notifications` and `notification_deliveries`.
pub struct Notifications;

impl Projection for Notifications {
    fn name(&self) -> &'static str {
        "notifications"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["notifications", "notification_deliveries"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "notification_deliveries", of: "learner_id = $1" },
            Personal::Rows { table: "notifications", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Notification(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    match change {
        Event::NotificationRequested { learner_id, cause, content, .. } => {
            sqlx::query(
                "INSERT INTO notifications (notification_id, learner_id, tenant, cause_type, cause_position, template,
                                            topic, language, parameters, requested_at, version, position)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            )
            .bind(id)
            .bind(learner_id.0)
            .bind(&event.tenant)
            .bind(&cause.event_type)
            .bind(cause.position)
            .bind(content.template.as_str())
            .bind(content.topic.as_str())
            .bind(content.language.as_str())
            .bind(Json(&content.parameters))
            .bind(event.recorded_at)
            .bind(event.sequence)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
        }
        Event::NotificationScheduled { learner_id, channel, not_before }
        | Event::NotificationRetried { learner_id, channel, not_before } => {
            set(db, event, (id, *channel, *learner_id), Change::to("scheduled").not_before(*not_before)).await?;
        }
        Event::NotificationSuppressed { learner_id, channel, reason } => {
            set(db, event, (id, *channel, *learner_id), Change::to("suppressed").because(&reason.to_string())).await?;
        }
        Event::NotificationDelivered { learner_id, channel, attempt } => {
            set(db, event, (id, *channel, *learner_id), Change::to("delivered").attempt(*attempt)).await?;
            if *channel == Channel::InApp {
                sqlx::query("UPDATE notifications SET inbox_position = $2, inbox_at = $3 WHERE notification_id = $1")
                    .bind(id)
                    .bind(event.position)
                    .bind(event.recorded_at)
                    .execute(&mut *db)
                    .await?;
            }
        }
        Event::NotificationFailed { learner_id, channel, attempt, reason, not_before } => {
            let change = Change::to("scheduled").attempt(*attempt).because(reason).not_before(*not_before);
            set(db, event, (id, *channel, *learner_id), change).await?;
        }
        Event::NotificationDeadLettered { learner_id, channel, attempt, reason } => {
            let change = Change::to("dead_lettered").attempt(*attempt).because(reason);
            set(db, event, (id, *channel, *learner_id), change).await?;
        }
        Event::NotificationCancelled { .. } => {
            sqlx::query(
                "UPDATE notification_deliveries
                 SET state = 'cancelled', not_before = NULL, updated_at = $2, position = $3
                 WHERE notification_id = $1 AND state = 'scheduled'",
            )
            .bind(id)
            .bind(event.recorded_at)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
        }
        Event::NotificationRead { .. } => {
            sqlx::query("UPDATE notifications SET read_at = $2 WHERE notification_id = $1")
                .bind(id)
                .bind(event.recorded_at)
                .execute(&mut *db)
                .await?;
        }
        // Whatever else happens moves the version on.
        _ => {}
    }
    sqlx::query("UPDATE notifications SET version = $2, position = $3 WHERE notification_id = $1")
        .bind(id)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

/// What becomes of a delivery.
struct Change<'a> {
    state: &'static str,
    not_before: Option<DateTime<Utc>>,
    attempt: Option<u32>,
    reason: Option<&'a str>,
}

impl<'a> Change<'a> {
    fn to(state: &'static str) -> Self {
        Self { state, not_before: None, attempt: None, reason: None }
    }

    fn not_before(self, moment: DateTime<Utc>) -> Self {
        Self { not_before: Some(moment), ..self }
    }

    fn attempt(self, number: u32) -> Self {
        Self { attempt: Some(number), ..self }
    }

    fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

async fn set(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    (notification, channel, user): (Uuid, Channel, UserId),
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO notification_deliveries (notification_id, channel, learner_id, tenant, state, not_before, attempts,
                                              reason, updated_at, position)
         VALUES ($1, $2, $3, $4, $5, $6, COALESCE($7, 0), $8, $9, $10)
         ON CONFLICT (notification_id, channel) DO UPDATE
         SET state = excluded.state, not_before = excluded.not_before,
             attempts = COALESCE($7, notification_deliveries.attempts), reason = excluded.reason,
             updated_at = excluded.updated_at, position = excluded.position",
    )
    .bind(notification)
    .bind(channel.to_string())
    .bind(user.0)
    .bind(&event.tenant)
    .bind(change.state)
    .bind(change.not_before)
    .bind(change.attempt.map(i64::from))
    .bind(change.reason)
    .bind(event.recorded_at)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::notification::notification::{Cause, Command, Content, id_of};
    use chrono::TimeDelta;

    use super::*;
    use crate::testing::{LEARNER, World, in_a_world};

    async fn request(world: &World, number: u128, channels: &[Channel]) -> NotificationId {
        let cause = Cause { event_id: Uuid::from_u128(number), event_type: "LessonCompleted".into(), position: 3 };
        let template: TemplateId = "lesson_completed_only".parse().expect("a template");
        let id = id_of(LEARNER, &cause, &template);
        let command = Command::Request {
            notification_id: id,
            learner_id: LEARNER,
            cause,
            content: Content {
                template,
                topic: "lessons".parse().expect("a topic"),
                language: "ko".parse().expect("a language"),
                parameters: [("score".to_owned(), "0.5".to_owned())].into(),
            },
            channels: channels.iter().map(|it| (*it, DateTime::UNIX_EPOCH)).collect(),
        };
        world.execute::<Aggregate>(id.0, command).await;
        id
    }

    async fn of_state(world: &World, state: &str) -> Vec<(NotificationId, u32, Option<String>)> {
        let rows = deliveries(&world.pool, "main", state, (0, 100)).await.expect("a database");
        rows.into_iter().map(|it| (it.notification_id, it.attempts, it.reason)).collect()
    }

    #[tokio::test]
    async fn the_inbox_shows_what_was_delivered_there_the_latest_first_and_whether_it_was_read() {
        in_a_world(async |world| {
            let [one, two, three] = [1, 2, 3];
            let one = request(world, one, &[Channel::InApp]).await;
            let two = request(world, two, &[Channel::InApp]).await;
            request(world, three, &[Channel::InApp]).await;
            let in_app = Channel::InApp;
            let first = world.execute::<Aggregate>(one.0, Command::Succeed { channel: in_app, attempt: 1 }).await;
            let second = world.execute::<Aggregate>(two.0, Command::Succeed { channel: in_app, attempt: 1 }).await;
            let read = world.execute::<Aggregate>(one.0, Command::Read).await;
            world.project().await;
            let all = inbox(&world.pool, LEARNER, None, false, 10).await.expect("a database");
            let shown: Vec<_> =
                all.iter().map(|it| (it.notification_id, it.inbox_position, it.read_at.is_some())).collect();
            assert_eq!(shown, [(two, Some(second), false), (one, Some(first), true)]);
            assert_eq!((all[1].version, all[1].position), (4, read));
            assert_eq!(all[0].parameters["score"], "0.5");
            let earlier = inbox(&world.pool, LEARNER, Some(second), false, 10).await.expect("a database");
            assert_eq!(earlier.iter().map(|it| it.notification_id).collect::<Vec<_>>(), [one]);
            let unread_ones = inbox(&world.pool, LEARNER, None, true, 10).await.expect("a database");
            assert_eq!(unread_ones.iter().map(|it| it.notification_id).collect::<Vec<_>>(), [two]);
            assert_eq!(unread(&world.pool, LEARNER).await.expect("a database"), 1);
            let since = inbox_since(&world.pool, LEARNER, (first, second), 10).await.expect("a database");
            assert_eq!(since.iter().map(|it| it.notification_id).collect::<Vec<_>>(), [two]);
        })
        .await;
    }

    #[tokio::test]
    async fn deliveries_show_their_state_attempts_and_reason() {
        in_a_world(async |world| {
            let id = request(world, 1, &[Channel::Email, Channel::Push]).await;
            let fail = |lasting| Command::Fail {
                channel: Channel::Email,
                attempt: 1 + u32::from(lasting),
                reason: "smtp-451".into(),
                lasting,
                retry_at: DateTime::UNIX_EPOCH + TimeDelta::hours(1),
            };
            world.execute::<Aggregate>(id.0, fail(false)).await;
            world.project().await;
            assert_eq!(of_state(world, "scheduled").await, [(id, 0, None), (id, 1, Some("smtp-451".into()))]);
            world.execute::<Aggregate>(id.0, fail(true)).await;
            world.execute::<Aggregate>(id.0, Command::Cancel).await;
            world.project().await;
            assert_eq!(of_state(world, "dead_lettered").await, [(id, 2, Some("smtp-451".into()))]);
            assert_eq!(of_state(world, "cancelled").await, [(id, 0, None)]);
            let retry = Command::Retry { channel: Channel::Email, not_before: DateTime::UNIX_EPOCH };
            world.execute::<Aggregate>(id.0, retry).await;
            world.project().await;
            assert_eq!(of_state(world, "scheduled").await, [(id, 2, None)]);
        })
        .await;
    }
}
