//! Kits of learners, with their units.

use baeum_domain::{
    AnyEvent, Decider, Recorded, Sealed,
    ids::{ClipId, InvoiceId, KitId, LessonId, SkuId, SubscriptionId, UnitId, UserId},
    kit::kit::{self, CancelReason, Event, Item, Kit as KitAggregate, Stage},
    money::Money,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// A kit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kit {
    /// Its id.
    pub kit_id: KitId,
    /// Whose kit.
    pub learner_id: UserId,
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Which period of it.
    pub period: u32,
    /// The bill that it waits for.
    pub invoice_id: InvoiceId,
    /// Where it is.
    pub stage: Stage,
    /// Whether stock is set aside for every item.
    pub reserved: bool,
    /// When the contents of a blind box are shown at the latest.
    pub reveal_at: Option<DateTime<Utc>>,
    /// Whether they are shown.
    pub revealed: bool,
    /// What it is made of.
    pub items: Vec<Item>,
    /// What the parcel weighs, in grams, once packed.
    pub grams: Option<u32>,
    /// Whether it waits for an address.
    pub address_missing: bool,
    /// The carrier's name of the shipment, sealed under the learner's key.
    pub shipment: Option<Sealed>,
    /// Why it was cancelled, if it was.
    pub cancel_reason: Option<CancelReason>,
    /// What of it was refunded, once that was settled.
    pub refunded: Option<Money>,
    /// Its units, once packed.
    pub units: Vec<Unit>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When its bill was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was packed.
    pub packed_at: Option<DateTime<Utc>>,
    /// When the carrier took it.
    pub shipped_at: Option<DateTime<Utc>>,
    /// When it went on its way.
    pub in_transit_at: Option<DateTime<Utc>>,
    /// When it was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it came back or was cancelled.
    pub ended_at: Option<DateTime<Utc>>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

impl Kit {
    /// Whether its owner may see what is in it.
    pub fn is_shown(&self) -> bool {
        self.reveal_at.is_none() || self.revealed
    }
}

/// A unit of a kit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Its place in the kit, from 1.
    pub slot: u8,
    /// What its QR code names.
    pub unit_id: UnitId,
    /// What it is.
    pub sku: SkuId,
    /// The clip that its code opens a lesson on.
    pub opens: ClipId,
    /// The lesson, once it was scanned.
    pub lesson_id: Option<LessonId>,
    /// When it was scanned.
    pub scanned_at: Option<DateTime<Utc>>,
    /// When its code was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

const SELECT: &str = "SELECT to_jsonb(k) || jsonb_build_object('units',
           coalesce((SELECT jsonb_agg(to_jsonb(u) ORDER BY u.slot) FROM kit_units u WHERE u.kit_id = k.kit_id), '[]'))
       FROM kits k";

/// A kit by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, kit: KitId) -> Result<Option<Kit>, sqlx::Error> {
    row::find(db, &format!("{SELECT} WHERE k.kit_id = $1"), kit.0).await
}

/// The latest kits of a learner, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, learner: UserId, limit: u32) -> Result<Vec<Kit>, sqlx::Error> {
    let sql = format!("{SELECT} WHERE k.learner_id = $1 ORDER BY k.opened_position DESC LIMIT $2");
    row::list(db, &sql, learner.0, limit).await
}

/// Keeps `kits`.
pub struct Kits;

impl Projection for Kits {
    fn name(&self) -> &'static str {
        "kits"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["kits", "kit_units"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "kit_units", of: "kit_id IN (SELECT kit_id FROM kits WHERE learner_id = $1)" },
            Personal::Rows { table: "kits", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == KitAggregate::AGGREGATE
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
                AnyEvent::Kit(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    match change {
        Event::KitOpened { .. } => return open(db, id, event, change).await,
        Event::KitCurated { items, .. } => {
            let sql = "UPDATE kits SET items = $2 WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(Json(items)).execute(&mut *db).await?;
        }
        Event::KitItemReplaced { item, .. } => {
            sqlx::query(
                "UPDATE kits SET reserved = false, items = (
                     SELECT jsonb_agg(CASE WHEN (it -> 'slot')::bigint = $3 THEN $2::jsonb ELSE it END ORDER BY n)
                     FROM jsonb_array_elements(items) WITH ORDINALITY AS one (it, n))
                 WHERE kit_id = $1",
            )
            .bind(id)
            .bind(Json(item))
            .bind(i64::from(item.slot))
            .execute(&mut *db)
            .await?;
        }
        Event::KitPacked { units, grams, at, .. } => {
            for unit in units {
                pack(db, id, unit).await?;
            }
            let sql = "UPDATE kits SET grams = $2 WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(i64::from(*grams)).execute(&mut *db).await?;
            reach(db, id, "packed", "packed_at", *at).await?;
        }
        Event::KitShipped { shipment, at, .. } => {
            let sql = "UPDATE kits SET shipment = $2, address_missing = false WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(Json(shipment)).execute(&mut *db).await?;
            reach(db, id, "shipped", "shipped_at", *at).await?;
        }
        Event::KitCancelled { reason, at, .. } => {
            let sql = "UPDATE kits SET cancel_reason = $2 WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(reason.to_string()).execute(&mut *db).await?;
            reach(db, id, "cancelled", "ended_at", *at).await?;
        }
        Event::KitCompensated { refunded, .. } => {
            let sql = "UPDATE kits SET refunded = $2 WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(Json(refunded)).execute(&mut *db).await?;
        }
        Event::KitUnitScanned { unit_id, lesson_id, at, .. } => {
            let sql = "UPDATE kit_units SET lesson_id = $3, scanned_at = $4 WHERE kit_id = $1 AND unit_id = $2";
            sqlx::query(sql).bind(id).bind(unit_id.0).bind(lesson_id.0).bind(at).execute(&mut *db).await?;
        }
        Event::KitPaid { at, .. } => {
            let sql = "UPDATE kits SET paid_at = $2 WHERE kit_id = $1";
            sqlx::query(sql).bind(id).bind(at).execute(&mut *db).await?;
        }
        Event::KitUnitRevoked { unit_id, at, .. } => revoke(db, id, Some(*unit_id), *at).await?,
        Event::KitReserved { .. } => mark(db, id, "reserved").await?,
        Event::KitAddressMissing { .. } => mark(db, id, "address_missing").await?,
        Event::KitRevealed { .. } => mark(db, id, "revealed").await?,
        Event::KitInTransit { at, .. } => reach(db, id, "in_transit", "in_transit_at", *at).await?,
        Event::KitDelivered { at, .. } => reach(db, id, "delivered", "delivered_at", *at).await?,
        Event::KitReturned { at, .. } => {
            reach(db, id, "returned", "ended_at", *at).await?;
            revoke(db, id, None, *at).await?;
        }
        // Whatever else happens moves the version on.
        _ => {}
    }
    sqlx::query("UPDATE kits SET version = $2, position = $3 WHERE kit_id = $1")
        .bind(id)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

async fn open(
    db: &mut PgConnection,
    id: Uuid,
    event: &Recorded<AnyEvent>,
    opened: &Event,
) -> Result<(), ProjectionError> {
    let Event::KitOpened { learner_id, subscription_id, period, invoice_id, reveal_at, at, .. } = opened else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO kits (kit_id, learner_id, subscription_id, period, invoice_id, stage, reserved, reveal_at,
                           revealed, items, address_missing, opened_at, opened_position, version, position)
         VALUES ($1, $2, $3, $4, $5, 'curated', false, $6, false, '[]', false, $7, $9, $8, $9)",
    )
    .bind(id)
    .bind(learner_id.0)
    .bind(subscription_id.0)
    .bind(i64::from(*period))
    .bind(invoice_id.0)
    .bind(reveal_at)
    .bind(at)
    .bind(event.sequence)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

async fn pack(db: &mut PgConnection, id: Uuid, unit: &kit::Unit) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO kit_units (kit_id, slot, unit_id, sku, opens) VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(i64::from(unit.slot))
        .bind(unit.unit_id.0)
        .bind(unit.sku.as_str())
        .bind(unit.opens.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Notes where a kit is, and when it came there.
async fn reach(
    db: &mut PgConnection,
    id: Uuid,
    stage: &'static str,
    column: &'static str,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let sql = format!("UPDATE kits SET stage = $2, {column} = $3 WHERE kit_id = $1");
    sqlx::query(&sql).bind(id).bind(stage).bind(at).execute(db).await?;
    Ok(())
}

/// Notes that something holds of a kit.
async fn mark(db: &mut PgConnection, id: Uuid, column: &'static str) -> Result<(), sqlx::Error> {
    let sql = format!("UPDATE kits SET {column} = true WHERE kit_id = $1");
    sqlx::query(&sql).bind(id).execute(db).await?;
    Ok(())
}

/// Notes that the code of a unit, or of all of them, opens nothing any more.
async fn revoke(db: &mut PgConnection, id: Uuid, unit: Option<UnitId>, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE kit_units SET revoked_at = coalesce(revoked_at, $3)
         WHERE kit_id = $1 AND ($2::uuid IS NULL OR unit_id = $2)",
    )
    .bind(id)
    .bind(unit.map(|it| it.0))
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
