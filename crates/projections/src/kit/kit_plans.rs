//! Which plans come with a kit.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::PlanId,
    kit::plan::{Event, KitPlan as KitPlanAggregate, KitTerms},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError};

/// The kits of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KitPlan {
    /// The plan.
    pub plan_id: PlanId,
    /// What its kits are like.
    pub terms: KitTerms,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// The plans of a tenant that come with a kit, by their names.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, tenant: &str) -> Result<Vec<KitPlan>, sqlx::Error> {
    let rows: Vec<Json<KitPlan>> = sqlx::query_scalar(
        "SELECT to_jsonb(p) - 'tenant' FROM kit_plans p WHERE tenant = $1 AND terms IS NOT NULL ORDER BY plan_id",
    )
    .bind(tenant)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `kit_plans`.
pub struct KitPlans;

impl Projection for KitPlans {
    fn name(&self) -> &'static str {
        "kit_plans"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["kit_plans"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "kit_plans" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == KitPlanAggregate::AGGREGATE
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
            let AnyEvent::KitPlan(change) = &event.payload else { return Ok(()) };
            let (plan_id, terms) = match change {
                Event::KitPlanSet { plan_id, terms } => (plan_id, Some(Json(terms))),
                Event::KitPlanEnded { plan_id } => (plan_id, None),
                _ => return Ok(()),
            };
            sqlx::query(
                "INSERT INTO kit_plans (tenant, plan_id, terms, version, position) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant, plan_id) DO UPDATE
                 SET terms = excluded.terms, version = excluded.version, position = excluded.position",
            )
            .bind(&event.tenant)
            .bind(plan_id.as_str())
            .bind(terms)
            .bind(event.sequence)
            .bind(event.position)
            .execute(db)
            .await?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::kit::plan::{Command, id_of, samples::terms};

    use super::*;
    use crate::testing::in_a_world;

    #[tokio::test]
    async fn the_plans_that_come_with_a_kit_are_listed() {
        in_a_world(async |world| {
            let plan = |name: &str| -> PlanId { name.parse().expect("a plan id") };
            for name in ["plus", "basic"] {
                let set = Command::Set { plan_id: plan(name), terms: terms(3) };
                world.execute::<KitPlanAggregate>(id_of("main", &plan(name)), set).await;
            }
            let end = Command::End { plan_id: plan("basic") };
            world.execute::<KitPlanAggregate>(id_of("main", &plan("basic")), end).await;
            world.project().await;
            let listed = list(&world.pool, "main").await.expect("a database");
            assert_eq!(
                listed.iter().map(|it| (it.plan_id.as_str(), &it.terms)).collect::<Vec<_>>(),
                [("plus", &terms(3))]
            );
        })
        .await;
    }
}
