//! Plans, with the offer that stands.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::PlanId,
    subscription::plan::{Event, Offer, Plan as Aggregate},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError};

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub plan_id: PlanId,
    /// Which offer stands, from 1.
    pub number: u32,
    /// That offer.
    pub offer: Offer,
    /// Whether it takes no new subscribers.
    pub retired: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// A plan of a tenant by its name.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, tenant: &str, plan: &PlanId) -> Result<Option<Plan>, sqlx::Error> {
    let sql = "SELECT to_jsonb(p) FROM plans p WHERE p.tenant = $1 AND p.plan_id = $2";
    let row: Option<Json<Plan>> = sqlx::query_scalar(sql).bind(tenant).bind(plan.as_str()).fetch_optional(db).await?;
    Ok(row.map(|Json(plan)| plan))
}

/// The plans of a tenant after one, by their names: those that take new subscribers, or all; at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(
    db: impl PgExecutor<'_>,
    tenant: &str,
    retired_too: bool,
    after: Option<&PlanId>,
    limit: u32,
) -> Result<Vec<Plan>, sqlx::Error> {
    let sql = "SELECT to_jsonb(p) FROM plans p
               WHERE p.tenant = $1 AND ($2 OR NOT p.retired) AND p.plan_id > $3 ORDER BY p.plan_id LIMIT $4";
    let rows: Vec<Json<Plan>> = sqlx::query_scalar(sql)
        .bind(tenant)
        .bind(retired_too)
        .bind(after.map_or("", PlanId::as_str))
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|Json(plan)| plan).collect())
}

/// Keeps `plans`.
pub struct Plans;

impl Projection for Plans {
    fn name(&self) -> &'static str {
        "plans"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["plans"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "plans" }]
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
                AnyEvent::Plan(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let (plan_id, number, offer) = match change {
        Event::PlanCreated { plan_id, offer } => (plan_id, 1, Some(offer)),
        Event::PlanOffered { plan_id, number, offer } => (plan_id, *number, Some(offer)),
        Event::PlanRetired { plan_id } => (plan_id, 0, None),
        _ => return Ok(()),
    };
    let statement = match offer {
        Some(offer) => sqlx::query(
            "INSERT INTO plans (tenant, plan_id, version, position, number, offer, retired, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, false, $7)
             ON CONFLICT (tenant, plan_id) DO UPDATE
             SET number = excluded.number, offer = excluded.offer, version = excluded.version,
                 position = excluded.position",
        )
        .bind(&event.tenant)
        .bind(plan_id.as_str())
        .bind(event.sequence)
        .bind(event.position)
        .bind(i64::from(number))
        .bind(Json(offer))
        .bind(event.recorded_at),
        None => sqlx::query(
            "UPDATE plans SET retired = true, version = $3, position = $4 WHERE tenant = $1 AND plan_id = $2",
        )
        .bind(&event.tenant)
        .bind(plan_id.as_str())
        .bind(event.sequence)
        .bind(event.position),
    };
    statement.execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::subscription::plan::Command;

    use super::*;
    use crate::{
        subscription::testing::{offer, plan_stream},
        testing::in_a_world,
    };

    #[tokio::test]
    async fn a_plan_shows_its_latest_offer_and_is_listed_until_it_is_retired() {
        in_a_world(async |world| {
            let plus: PlanId = "plus".parse().expect("a plan id");
            let id = plan_stream(&plus);
            world.execute::<Aggregate>(id, Command::Create { plan_id: plus.clone(), offer: offer(12_900) }).await;
            let last = world.execute::<Aggregate>(id, Command::Offer { offer: offer(14_900) }).await;
            world.project().await;
            let plan = find(&world.pool, "main", &plus).await.expect("a database").expect("a plan");
            assert_eq!((plan.number, &plan.offer, plan.version, plan.position), (2, &offer(14_900), 2, last));
            assert_eq!(list(&world.pool, "main", false, None, 10).await.expect("a database"), [plan]);
            assert_eq!(list(&world.pool, "busan", true, None, 10).await.expect("a database"), []);
            assert_eq!(list(&world.pool, "main", true, Some(&plus), 10).await.expect("a database"), []);
            world.execute::<Aggregate>(id, Command::Retire).await;
            world.project().await;
            assert_eq!(list(&world.pool, "main", false, None, 10).await.expect("a database"), []);
            let all = list(&world.pool, "main", true, None, 10).await.expect("a database");
            assert_eq!((all.len(), all[0].retired, all[0].version), (1, true, 3));
        })
        .await;
    }
}
