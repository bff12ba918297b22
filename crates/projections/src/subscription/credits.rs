//! Usage credits: what is included, what was bought, and what is left.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{InvoiceId, PurchaseId, UserId},
    money::Money,
    subscription::credits::{CreditBalance, Event, Source},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, row};

/// The usage credits of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    /// Whose.
    pub subscriber: UserId,
    /// Bought and not used.
    pub balance: u32,
    /// Included evaluations, of the latest allowance.
    pub allowance_units: Option<u32>,
    /// Of them used.
    pub allowance_used: Option<u32>,
    /// From when on they are included.
    pub allowance_from: Option<DateTime<Utc>>,
    /// Until when.
    pub allowance_until: Option<DateTime<Utc>>,
    /// The latest 100 purchases, the latest first.
    pub purchases: Vec<Purchase>,
    /// Sequence of its stream.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// How far a purchase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseState {
    /// It waits for its payment.
    Billed,
    /// It was paid; the credits are there.
    Added,
    /// It was not paid.
    Dropped,
    /// The credits were taken back, for a refund.
    TakenBack,
}

/// A purchase of credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// Its id.
    pub purchase_id: PurchaseId,
    /// How many.
    pub units: u32,
    /// What they cost.
    pub total: Money,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// How far it is.
    pub state: PurchaseState,
    /// When it was billed.
    pub billed_at: DateTime<Utc>,
}

/// The usage credits of a person; `None` for who never had any.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, subscriber: UserId) -> Result<Option<Credits>, sqlx::Error> {
    let sql = "SELECT to_jsonb(c) || jsonb_build_object('purchases', coalesce((
                   SELECT jsonb_agg(to_jsonb(t) ORDER BY t.position DESC) FROM (
                       SELECT * FROM credit_purchases p WHERE p.subscriber = c.subscriber
                       ORDER BY p.position DESC LIMIT 100) t), '[]'))
               FROM credits c WHERE c.subscriber = $1";
    row::find(db, sql, subscriber.0).await
}

/// Keeps `credits`.
pub struct UsageCredits;

impl Projection for UsageCredits {
    fn name(&self) -> &'static str {
        "credits"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["credits", "credit_purchases"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "credit_purchases", of: "subscriber = $1" },
            Personal::Rows { table: "credits", of: "subscriber = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == CreditBalance::AGGREGATE
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
                AnyEvent::CreditBalance(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let mut purchase = None;
    let (subscriber, balance) = match change {
        Event::AllowanceGranted { subscriber, units, used, from, until } => {
            row_of(db, event, *subscriber, None).await?;
            sqlx::query(
                "UPDATE credits SET allowance_units = $2, allowance_used = $3, allowance_from = $4, allowance_until = $5
                 WHERE subscriber = $1",
            )
            .bind(subscriber.0)
            .bind(i64::from(*units))
            .bind(i64::from(*used))
            .bind(from)
            .bind(until)
            .execute(db)
            .await?;
            return Ok(());
        }
        Event::CreditPurchaseBilled { subscriber, purchase_id, units, bill } => {
            sqlx::query(
                "INSERT INTO credit_purchases (purchase_id, subscriber, units, total, invoice_id, state, billed_at,
                                               position)
                 VALUES ($1, $2, $3, $4, $5, 'billed', $6, $7)",
            )
            .bind(purchase_id.0)
            .bind(subscriber.0)
            .bind(i64::from(*units))
            .bind(Json(bill.total))
            .bind(bill.invoice_id.0)
            .bind(bill.due_at)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
            (*subscriber, None)
        }
        Event::CreditsAdded { subscriber, purchase_id, balance, .. } => {
            purchase = Some((*purchase_id, "added"));
            (*subscriber, Some(*balance))
        }
        Event::CreditPurchaseDropped { subscriber, purchase_id } => {
            purchase = Some((*purchase_id, "dropped"));
            (*subscriber, None)
        }
        Event::CreditsTakenBack { subscriber, purchase_id, balance, .. } => {
            purchase = Some((*purchase_id, "taken_back"));
            (*subscriber, Some(*balance))
        }
        Event::EvaluationCharged { subscriber, source, balance, .. } => {
            if *source == Source::Allowance {
                sqlx::query("UPDATE credits SET allowance_used = allowance_used + 1 WHERE subscriber = $1")
                    .bind(subscriber.0)
                    .execute(&mut *db)
                    .await?;
            }
            (*subscriber, Some(*balance))
        }
        _ => return Ok(()),
    };
    if let Some((purchase_id, state)) = purchase {
        sqlx::query("UPDATE credit_purchases SET state = $2 WHERE purchase_id = $1")
            .bind(purchase_id.0)
            .bind(state)
            .execute(&mut *db)
            .await?;
    }
    row_of(db, event, subscriber, balance).await?;
    Ok(())
}

/// Makes the row of a person, or brings it to this event.
async fn row_of(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    subscriber: UserId,
    balance: Option<u32>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO credits AS c (subscriber, balance, version, position) VALUES ($1, coalesce($2, 0), $3, $4)
         ON CONFLICT (subscriber) DO UPDATE
         SET balance = coalesce($2, c.balance), version = excluded.version, position = excluded.position",
    )
    .bind(subscriber.0)
    .bind(balance.map(i64::from))
    .bind(event.sequence)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::subscription::credits::{Command, id_of};
    use uuid::Uuid;

    use super::*;
    use crate::{
        subscription::testing::{buy, grant, now, spend},
        testing::{LEARNER, in_a_world},
    };

    #[tokio::test]
    async fn credits_count_the_allowance_first_and_then_what_was_bought() {
        in_a_world(async |world| {
            let stream = id_of(LEARNER);
            assert_eq!(find(&world.pool, LEARNER).await.expect("a database"), None);
            world.execute::<CreditBalance>(stream, grant(1)).await;
            world.execute::<CreditBalance>(stream, buy(7, 5)).await;
            world.execute::<CreditBalance>(stream, buy(8, 3)).await;
            let purchase_id = PurchaseId(Uuid::from_u128(7));
            let confirm = Command::ConfirmPurchase { subscriber: LEARNER, purchase_id };
            world.execute::<CreditBalance>(stream, confirm).await;
            world.execute::<CreditBalance>(stream, spend(1)).await;
            let last = world.execute::<CreditBalance>(stream, spend(2)).await;
            world.project().await;
            let credits = find(&world.pool, LEARNER).await.expect("a database").expect("credits");
            assert_eq!((credits.balance, credits.allowance_units, credits.allowance_used), (4, Some(1), Some(1)));
            assert_eq!((credits.position, credits.allowance_from), (last, Some(now())));
            let states: Vec<_> = credits.purchases.iter().map(|it| (it.units, it.state)).collect();
            assert_eq!(states, [(3, PurchaseState::Billed), (5, PurchaseState::Added)]);
        })
        .await;
    }
}
