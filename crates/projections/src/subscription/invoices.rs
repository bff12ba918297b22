//! Invoices, with their lines and what became of them.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{InvoiceId, PaymentId, UserId},
    subscription::{
        bill::Bill,
        invoice::{Event, Invoice as Aggregate, VoidReason},
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// How far an invoice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceState {
    /// It waits for its payment.
    Open,
    /// It was paid.
    Paid,
    /// It was given up.
    Voided,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoice {
    /// Its id.
    pub invoice_id: InvoiceId,
    /// Who is to pay it.
    pub subscriber: UserId,
    /// How far it is.
    pub state: InvoiceState,
    /// What is to be paid, line by line.
    pub bill: Bill,
    /// By what it was paid; nothing where there was nothing to pay.
    pub payment_id: Option<PaymentId>,
    /// Why it was given up, if it was.
    pub void_reason: Option<VoidReason>,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// When it was paid or voided.
    pub settled_at: Option<DateTime<Utc>>,
    /// Position of its first event, by which lists go on.
    pub issued_position: i64,
    /// Sequence of its stream.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// An invoice by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, id: InvoiceId) -> Result<Option<Invoice>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(i) FROM invoices i WHERE i.invoice_id = $1", id.0).await
}

/// The invoices of a person that were issued before a position, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(
    db: impl PgExecutor<'_>,
    subscriber: UserId,
    before: i64,
    limit: u32,
) -> Result<Vec<Invoice>, sqlx::Error> {
    let sql = "SELECT to_jsonb(i) FROM invoices i WHERE i.subscriber = $1 AND i.issued_position < $3
               ORDER BY i.issued_position DESC LIMIT $2";
    let rows: Vec<Json<Invoice>> =
        sqlx::query_scalar(sql).bind(subscriber.0).bind(i64::from(limit)).bind(before).fetch_all(db).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `invoices`.
pub struct Invoices;

impl Projection for Invoices {
    fn name(&self) -> &'static str {
        "invoices"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["invoices"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "invoices", of: "subscriber = $1" }]
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
                AnyEvent::Invoice(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id: Uuid = aggregate_id(event)?;
    let (state, payment_id, reason, at) = match change {
        Event::InvoiceIssued { subscriber, bill, at } => {
            sqlx::query(
                "INSERT INTO invoices (invoice_id, subscriber, state, bill, issued_at, issued_position, version,
                                       position)
                 VALUES ($1, $2, 'open', $3, $4, $6, $5, $6)",
            )
            .bind(id)
            .bind(subscriber.0)
            .bind(Json(bill))
            .bind(at)
            .bind(event.sequence)
            .bind(event.position)
            .execute(db)
            .await?;
            return Ok(());
        }
        Event::InvoicePaid { payment_id, at, .. } => ("paid", *payment_id, None, at),
        Event::InvoiceVoided { reason, at, .. } => ("voided", None, Some(*reason), at),
        _ => return Ok(()),
    };
    let reason = reason.map(|reason| match reason {
        VoidReason::Cancelled => "cancelled",
        VoidReason::Unpaid => "unpaid",
    });
    sqlx::query(
        "UPDATE invoices SET state = $2, payment_id = $3, void_reason = $4, settled_at = $5, version = $6, position = $7
         WHERE invoice_id = $1",
    )
    .bind(id)
    .bind(state)
    .bind(payment_id.map(|it| it.0))
    .bind(reason)
    .bind(at)
    .bind(event.sequence)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        subscription::testing::{invoice_of, issue, pay, void},
        testing::{LEARNER, in_a_world},
    };

    #[tokio::test]
    async fn an_invoice_shows_its_lines_and_what_became_of_it() {
        in_a_world(async |world| {
            let one = issue(world, 1).await;
            let two = issue(world, 2).await;
            let three = issue(world, 3).await;
            pay(world, 1).await;
            let last = void(world, 2).await;
            world.project().await;
            let found = |number| find(&world.pool, invoice_of(number));
            let paid = found(1).await.expect("a database").expect("an invoice");
            assert_eq!((paid.state, paid.bill.lines.len(), paid.payment_id.is_some()), (InvoiceState::Paid, 1, true));
            assert_eq!((paid.subscriber, paid.issued_position, paid.version), (LEARNER, one, 2));
            let voided = found(2).await.expect("a database").expect("an invoice");
            assert_eq!((voided.state, voided.void_reason), (InvoiceState::Voided, Some(VoidReason::Unpaid)));
            assert_eq!((voided.position, voided.payment_id), (last, None));
            let of = async |before, limit| list(&world.pool, LEARNER, before, limit).await.expect("a database");
            let ids = |found: Vec<Invoice>| found.into_iter().map(|it| it.issued_position).collect::<Vec<_>>();
            assert_eq!(ids(of(i64::MAX, 2).await), [three, two]);
            assert_eq!(ids(of(two, 2).await), [one]);
        })
        .await;
    }
}
