//! Where the stock of each SKU stands.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{ReservationId, SkuId},
    kit::stock::{Cause, Event, Stock as StockAggregate},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id};

/// The stock of a SKU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    /// The SKU.
    pub sku: SkuId,
    /// Units on the shelf.
    pub on_hand: i64,
    /// Of them set aside.
    pub reserved: i64,
    /// From how few available units on it is low; 0 for never.
    pub threshold: i64,
    /// Whether it is low.
    pub low: bool,
    /// Whether none is available.
    pub ran_out: bool,
    /// Units that ever came in.
    pub received: i64,
    /// Units that left for kits.
    pub committed: i64,
    /// Of them came back.
    pub returned: i64,
    /// Units that were wanted and not there.
    pub declined: i64,
    /// Units that counts found missing, less those that they found too many.
    pub lost: i64,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

const SELECT: &str = "SELECT to_jsonb(s) || jsonb_build_object('reserved',
           (SELECT coalesce(sum(r.units), 0) FROM stock_reservations r WHERE r.stock_id = s.stock_id))
       FROM stock s WHERE s.tenant = $1";

/// The stock of a SKU of a tenant.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, tenant: &str, sku: &SkuId) -> Result<Option<Stock>, sqlx::Error> {
    let row: Option<Json<Stock>> = sqlx::query_scalar(&format!("{SELECT} AND s.sku = $2"))
        .bind(tenant)
        .bind(sku.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.map(|Json(row)| row))
}

/// The stock of a tenant's SKUs by their names, those that are low or out alone if `low_only`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, tenant: &str, low_only: bool) -> Result<Vec<Stock>, sqlx::Error> {
    let sql = format!("{SELECT} AND (NOT $2 OR s.low OR s.ran_out) ORDER BY s.sku");
    let rows: Vec<Json<Stock>> = sqlx::query_scalar(&sql).bind(tenant).bind(low_only).fetch_all(db).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `stock`.
pub struct Stocks;

impl Projection for Stocks {
    fn name(&self) -> &'static str {
        "stock"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["stock", "stock_reservations"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "stock" }, Personal::Anonymous { table: "stock_reservations" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == StockAggregate::AGGREGATE
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
                AnyEvent::Stock(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

/// What an event changes in the counts of a stock.
#[derive(Default)]
struct Change {
    on_hand: i64,
    received: i64,
    committed: i64,
    returned: i64,
    declined: i64,
    lost: i64,
    low: bool,
    ran_out: bool,
    threshold: Option<i64>,
    /// Whether a count of the same moment follows, so that nothing is above a line because of it.
    counting: bool,
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    let mut to = Change::default();
    let sku = match change {
        Event::StockReceived { sku, units, .. } => {
            to = Change { on_hand: i64::from(*units), received: i64::from(*units), ..to };
            sku
        }
        Event::StockCounted { sku, expected, found, .. } => {
            let found = i64::from(*found) - i64::from(*expected);
            to = Change { on_hand: found, lost: -found, ..to };
            sku
        }
        Event::StockThresholdSet { sku, units } => {
            to.threshold = Some(i64::from(*units));
            sku
        }
        Event::StockReserved { sku, reservation_id, units, expires_at, .. } => {
            sqlx::query("INSERT INTO stock_reservations VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(reservation_id.0)
                .bind(i64::from(*units))
                .bind(expires_at)
                .execute(&mut *db)
                .await?;
            sku
        }
        Event::StockReservationDeclined { sku, units, .. } => {
            to.declined = i64::from(*units);
            sku
        }
        Event::StockCommitted { sku, reservation_id, units, .. } => {
            end(db, id, *reservation_id).await?;
            to = Change { on_hand: -i64::from(*units), committed: i64::from(*units), ..to };
            sku
        }
        Event::StockReleased { sku, reservation_id, cause, .. } => {
            end(db, id, *reservation_id).await?;
            to.counting = *cause == Cause::Shortfall;
            sku
        }
        Event::StockReservationExpired { sku, reservation_id, .. } => {
            end(db, id, *reservation_id).await?;
            sku
        }
        Event::StockReturned { sku, units, .. } => {
            to = Change { on_hand: i64::from(*units), returned: i64::from(*units), ..to };
            sku
        }
        Event::StockRanLow { sku, .. } => {
            to.low = true;
            sku
        }
        Event::StockRanOut { sku } => {
            to.ran_out = true;
            sku
        }
        _ => return Ok(()),
    };
    write(db, id, event, sku, &to).await
}

/// Ends a reservation that is set aside.
async fn end(db: &mut PgConnection, id: Uuid, reservation_id: ReservationId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM stock_reservations WHERE stock_id = $1 AND reservation_id = $2")
        .bind(id)
        .bind(reservation_id.0)
        .execute(db)
        .await?;
    Ok(())
}

async fn write(
    db: &mut PgConnection,
    id: Uuid,
    event: &Recorded<AnyEvent>,
    sku: &SkuId,
    to: &Change,
) -> Result<(), ProjectionError> {
    sqlx::query(
        "INSERT INTO stock AS s (stock_id, tenant, sku, on_hand, threshold, low, ran_out, received, committed, returned,
                                 declined, lost, changed_at, version, position)
         VALUES ($1, $2, $3, $4, coalesce($5, 0), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (stock_id) DO UPDATE
         SET on_hand = s.on_hand + $4, threshold = coalesce($5, s.threshold), received = s.received + $8,
             committed = s.committed + $9, returned = s.returned + $10, declined = s.declined + $11,
             lost = s.lost + $12, low = s.low OR $6, ran_out = s.ran_out OR $7, changed_at = $13, version = $14,
             position = $15",
    )
    .bind(id)
    .bind(&event.tenant)
    .bind(sku.as_str())
    .bind(to.on_hand)
    .bind(to.threshold)
    .bind(to.low)
    .bind(to.ran_out)
    .bind(to.received)
    .bind(to.committed)
    .bind(to.returned)
    .bind(to.declined)
    .bind(to.lost)
    .bind(event.recorded_at)
    .bind(event.sequence)
    .bind(event.position)
    .execute(&mut *db)
    .await?;
    if to.counting {
        return Ok(());
    }
    // What is above the line again is neither low nor out.
    sqlx::query(
        "UPDATE stock SET low = low AND on_hand - held.units <= threshold, ran_out = ran_out AND on_hand <= held.units
         FROM (SELECT coalesce(sum(units), 0) AS units FROM stock_reservations WHERE stock_id = $1) AS held
         WHERE stock_id = $1 AND (low OR ran_out)",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::kit::{sku::samples::sku, stock::Command};
    use chrono::TimeDelta;

    use super::*;
    use crate::testing::{World, in_a_world};

    async fn shown(world: &World) -> Stock {
        world.project().await;
        find(&world.pool, "main", &sku("tea")).await.expect("a database").expect("stock")
    }

    #[tokio::test]
    async fn stock_shows_what_is_there_set_aside_and_gone() {
        in_a_world(async |world| {
            let at = baeum_domain::Clock::now(world.clock.as_ref());
            let (reservation_id, kit_id) =
                (ReservationId(Uuid::from_u128(1)), baeum_domain::ids::KitId(Uuid::from_u128(2)));
            let expires_at = at + TimeDelta::days(1);
            let reserve = |n, units| Command::Reserve {
                sku: sku("tea"),
                reservation_id: ReservationId(Uuid::from_u128(n)),
                kit_id,
                units,
                expires_at,
                at,
            };
            world.stock(Command::Receive { sku: sku("tea"), delivery_id: Uuid::from_u128(9), units: 5, at }).await;
            world.stock(Command::SetThreshold { sku: sku("tea"), units: 2 }).await;
            world.stock(reserve(1, 4)).await;
            let low = shown(world).await;
            assert_eq!((low.on_hand, low.reserved, low.low, low.ran_out), (5, 4, true, false));
            world.stock(reserve(3, 2)).await;
            world.stock(Command::Commit { sku: sku("tea"), reservation_id, kit_id, at }).await;
            let left = shown(world).await;
            assert_eq!((left.on_hand, left.reserved, left.committed, left.declined), (1, 0, 4, 2));
            world.stock(Command::GiveBack { sku: sku("tea"), reservation_id, kit_id, at }).await;
            let back = shown(world).await;
            assert_eq!((back.on_hand, back.returned, back.low), (5, 4, false));
            let last =
                world.stock(Command::Count { sku: sku("tea"), count_id: Uuid::from_u128(8), found: 0, at }).await;
            let none = shown(world).await;
            assert_eq!((none.on_hand, none.lost, none.low, none.ran_out, none.position), (0, 5, true, true, last));
            let listed = list(&world.pool, "main", true).await.expect("a database");
            assert_eq!(listed, [none]);
            assert!(list(&world.pool, "busan", false).await.expect("a database").is_empty());
        })
        .await;
    }
}
