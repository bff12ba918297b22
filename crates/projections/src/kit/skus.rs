//! The SKUs of each tenant.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::SkuId,
    kit::sku::{Assortment, Event, Listing},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError};

/// A SKU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sku {
    /// The SKU.
    pub sku: SkuId,
    /// Which revision, from 1.
    pub revision: u32,
    /// What is known of it.
    pub listing: Listing,
    /// Whether it is chosen for no kit any more.
    pub retired: bool,
    /// Sequence of the assortment when it last changed.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// The SKUs of a tenant by their names.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, tenant: &str) -> Result<Vec<Sku>, sqlx::Error> {
    let rows: Vec<Json<Sku>> =
        sqlx::query_scalar("SELECT to_jsonb(s) - 'tenant' FROM skus s WHERE tenant = $1 ORDER BY sku")
            .bind(tenant)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `skus`.
pub struct Skus;

impl Projection for Skus {
    fn name(&self) -> &'static str {
        "skus"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["skus"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "skus" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Assortment::AGGREGATE
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
                AnyEvent::Assortment(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let (sku, revision, listing) = match change {
        Event::SkuListed { sku, listing } => (sku, 1, listing),
        Event::SkuRevised { sku, revision, listing } => (sku, *revision, listing),
        Event::SkuRetired { sku } => {
            sqlx::query("UPDATE skus SET retired = true, version = $3, position = $4 WHERE tenant = $1 AND sku = $2")
                .bind(&event.tenant)
                .bind(sku.as_str())
                .bind(event.sequence)
                .bind(event.position)
                .execute(db)
                .await?;
            return Ok(());
        }
        _ => return Ok(()),
    };
    sqlx::query(
        "INSERT INTO skus (tenant, sku, revision, listing, retired, version, position)
         VALUES ($1, $2, $3, $4, false, $5, $6)
         ON CONFLICT (tenant, sku) DO UPDATE
         SET revision = excluded.revision, listing = excluded.listing, retired = false, version = excluded.version,
             position = excluded.position",
    )
    .bind(&event.tenant)
    .bind(sku.as_str())
    .bind(i64::from(revision))
    .bind(Json(listing))
    .bind(event.sequence)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        kit::sku::{
            Command, Kind, id_of,
            samples::{listing, sku},
        },
        level::Cefr,
    };

    use super::*;
    use crate::testing::in_a_world;

    #[tokio::test]
    async fn skus_are_shown_as_they_were_listed_last() {
        in_a_world(async |world| {
            let tea = listing(Kind::Sample, Cefr::A1, "food", 3_000);
            let dearer = listing(Kind::Sample, Cefr::A1, "food", 4_000);
            for listing in [tea, dearer.clone()] {
                world.execute::<Assortment>(id_of("main"), Command::List { sku: sku("tea"), listing }).await;
            }
            let last = world.execute::<Assortment>(id_of("main"), Command::Retire { sku: sku("tea") }).await;
            world.project().await;
            let row = Sku { sku: sku("tea"), revision: 2, listing: dearer, retired: true, version: 3, position: last };
            assert_eq!(list(&world.pool, "main").await.expect("a database"), [row]);
        })
        .await;
    }
}
