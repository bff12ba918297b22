//! Subscriptions, each as its aggregate has it: the contract is folded by the aggregate's own `evolve`.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{SubscriptionId, UserId},
    subscription::subscription::{Contract, Event, Subscription as Aggregate},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// A subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// What was agreed to, and where it stands.
    pub contract: Contract,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// A subscription by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, id: SubscriptionId) -> Result<Option<Subscription>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(s) FROM subscriptions s WHERE s.subscription_id = $1", id.0).await
}

/// The subscriptions of a person, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, subscriber: UserId, limit: u32) -> Result<Vec<Subscription>, sqlx::Error> {
    let sql = "SELECT to_jsonb(s) FROM subscriptions s WHERE s.subscriber = $1
               ORDER BY s.started_position DESC LIMIT $2";
    row::list(db, sql, subscriber.0, limit).await
}

/// Keeps `subscriptions`.
pub struct Subscriptions;

impl Projection for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["subscriptions"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "subscriptions", of: "subscriber = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByAggregate
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Subscription(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    if let Event::SubscriptionStarted { subscriber, .. } = change {
        let Some(contract) = Aggregate::fold([change]).contract else { return Ok(()) };
        sqlx::query(
            "INSERT INTO subscriptions (subscription_id, subscriber, contract, started_at, started_position, version,
                                        position)
             VALUES ($1, $2, $3, $4, $6, $5, $6)",
        )
        .bind(id)
        .bind(subscriber.0)
        .bind(Json(contract))
        .bind(event.recorded_at)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
        return Ok(());
    }
    let present: Option<Json<Contract>> =
        sqlx::query_scalar("SELECT contract FROM subscriptions WHERE subscription_id = $1")
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
    let Some(Json(contract)) = present else { return Ok(()) };
    let mut subscription = Aggregate { contract: Some(contract) };
    subscription.evolve(change);
    sqlx::query("UPDATE subscriptions SET contract = $2, version = $3, position = $4 WHERE subscription_id = $1")
        .bind(id)
        .bind(Json(subscription.contract))
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::subscription::subscription::{Command, Status};

    use super::*;
    use crate::{
        subscription::testing::{SUBSCRIPTION, now, paid, start},
        testing::{LEARNER, in_a_world},
    };

    #[tokio::test]
    async fn a_subscription_stands_as_its_aggregate_has_it() {
        in_a_world(async |world| {
            world.execute::<Aggregate>(SUBSCRIPTION.0, start(false)).await;
            world.execute::<Aggregate>(SUBSCRIPTION.0, paid(1)).await;
            let last = world.execute::<Aggregate>(SUBSCRIPTION.0, Command::Pause { at: now() }).await;
            world.project().await;
            let row = find(&world.pool, SUBSCRIPTION).await.expect("a database").expect("a subscription");
            let stream = world.log.load::<Aggregate>("main", &SUBSCRIPTION.to_string()).await.expect("a log");
            assert_eq!(Some(&row.contract), stream.state.contract.as_ref());
            assert_eq!((row.contract.status, row.version, row.position), (Status::Paused, 3, last));
            assert_eq!(list(&world.pool, LEARNER, 10).await.expect("a database"), [row]);
            assert_eq!(list(&world.pool, UserId(uuid::Uuid::nil()), 10).await.expect("a database"), []);
        })
        .await;
    }
}
