//! Payments, with every attempt to charge them, and what of them was given back.
//!
//! A payment's events name its invoice, not its payer; that is known from the invoice. So they are taken in in one order.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{InvoiceId, PaymentId, RefundId, UserId},
    money::Money,
    subscription::{
        bill::payment_id,
        invoice::{self, Invoice},
        payment::{self, AskedBy, Payment as Aggregate},
        refund::{self, Reason, Refund as RefundAggregate},
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Its invoice was issued.
    Awaited,
    /// It is charged at the next moment of its schedule.
    Due,
    /// The gateway is asked.
    Charging,
    /// The money was taken.
    Succeeded,
    /// It is not charged any more.
    Closed,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Its id.
    pub payment_id: PaymentId,
    /// What it pays.
    pub invoice_id: InvoiceId,
    /// Who pays.
    pub subscriber: UserId,
    /// What is charged.
    pub amount: Money,
    /// How far it is.
    pub state: PaymentState,
    /// When the schedule charges it, and again after each failure.
    pub attempts_at: Vec<DateTime<Utc>>,
    /// The gateway's name of the charge that paid.
    pub reference: Option<String>,
    /// When the money was taken.
    pub paid_at: Option<DateTime<Utc>>,
    /// Attempts to charge it, in order.
    pub attempts: Vec<Attempt>,
    /// What was asked back, in order.
    pub refunds: Vec<Refund>,
    /// Position of its invoice, by which lists go on.
    pub issued_position: i64,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed it.
    pub position: i64,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Its outcome is not known.
    InFlight,
    /// It took the money.
    Succeeded,
    /// It did not, and will not.
    Failed,
    /// It took money that it must not have taken, which is given back.
    Surplus,
}

/// An attempt to charge a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which, from 1.
    pub attempt: u32,
    /// Who asked for it; nobody for a surplus charge.
    pub asked_by: Option<AskedBy>,
    /// How it went.
    pub state: AttemptState,
    /// The gateway's name of the charge.
    pub reference: Option<String>,
    /// The gateway's code of why it failed.
    pub code: Option<String>,
    /// When it is tried again after this failure.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When its outcome was known.
    pub ended_at: Option<DateTime<Utc>>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// It waits for the payment to set it aside.
    Requested,
    /// The gateway is asked.
    Sent,
    /// The payment had not enough left.
    Rejected,
    /// The money was given back.
    Succeeded,
    /// The gateway did not give it back.
    Failed,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its id.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Whether the charge must not have been.
    pub surplus: bool,
    /// Why.
    pub reason: Reason,
    /// How far it is.
    pub state: RefundState,
    /// The gateway's code of why it failed.
    pub code: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was decided.
    pub ended_at: Option<DateTime<Utc>>,
}

const WHOLE: &str = "to_jsonb(p)
    || jsonb_build_object('attempts', coalesce((SELECT jsonb_agg(to_jsonb(a) ORDER BY a.attempt, a.surplus)
           FROM payment_attempts a WHERE a.payment_id = p.payment_id), '[]'))
    || jsonb_build_object('refunds', coalesce((SELECT jsonb_agg(to_jsonb(r) ORDER BY r.requested_at, r.refund_id)
           FROM refunds r WHERE r.payment_id = p.payment_id), '[]'))";

/// A payment by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, id: PaymentId) -> Result<Option<Payment>, sqlx::Error> {
    row::find(db, &format!("SELECT {WHOLE} FROM payments p WHERE p.payment_id = $1"), id.0).await
}

/// The payments of a person whose invoices were issued before a position, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(
    db: impl PgExecutor<'_>,
    subscriber: UserId,
    before: i64,
    limit: u32,
) -> Result<Vec<Payment>, sqlx::Error> {
    let sql = format!(
        "SELECT {WHOLE} FROM payments p WHERE p.subscriber = $1 AND p.issued_position < $3
         ORDER BY p.issued_position DESC LIMIT $2"
    );
    let rows: Vec<Json<Payment>> =
        sqlx::query_scalar(&sql).bind(subscriber.0).bind(i64::from(limit)).bind(before).fetch_all(db).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// Keeps `payments`.
pub struct Payments;

impl Projection for Payments {
    fn name(&self) -> &'static str {
        "payments"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["payments", "payment_attempts", "refunds"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows {
                table: "payment_attempts",
                of: "payment_id IN (SELECT payment_id FROM payments WHERE subscriber = $1)",
            },
            Personal::Rows {
                table: "refunds",
                of: "payment_id IN (SELECT payment_id FROM payments WHERE subscriber = $1)",
            },
            Personal::Rows { table: "payments", of: "subscriber = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Invoice::AGGREGATE | Aggregate::AGGREGATE | RefundAggregate::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::Total
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Invoice(invoice::Event::InvoiceIssued { subscriber, bill, .. })
                    if bill.total.is_positive() =>
                {
                    sqlx::query(
                        "INSERT INTO payments (payment_id, invoice_id, subscriber, amount, state, attempts_at,
                                               issued_position, version, position)
                         VALUES ($1, $2, $3, $4, 'awaited', '[]', $5, 0, $5)",
                    )
                    .bind(payment_id(bill.invoice_id).0)
                    .bind(bill.invoice_id.0)
                    .bind(subscriber.0)
                    .bind(Json(bill.total))
                    .bind(event.position)
                    .execute(db)
                    .await?;
                    Ok(())
                }
                AnyEvent::Payment(change) => of_payment(db, event, change).await,
                AnyEvent::Refund(change) => of_refund(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn of_payment(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &payment::Event,
) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    match change {
        payment::Event::PaymentRequested { attempts_at, .. } => {
            sqlx::query("UPDATE payments SET state = 'due', attempts_at = $2 WHERE payment_id = $1")
                .bind(id)
                .bind(Json(attempts_at))
                .execute(&mut *db)
                .await?;
        }
        payment::Event::ChargeAttempted { attempt, asked_by, at, .. } => {
            set_state(db, id, "charging").await?;
            let asked_by = match asked_by {
                AskedBy::Schedule => "schedule",
                AskedBy::Subscriber => "subscriber",
            };
            // Only beside a payment that is there: who was forgotten has none.
            sqlx::query(
                "INSERT INTO payment_attempts (payment_id, attempt, surplus, asked_by, state, began_at)
                 SELECT payment_id, $2, '', $3, 'in_flight', $4 FROM payments WHERE payment_id = $1",
            )
            .bind(id)
            .bind(i64::from(*attempt))
            .bind(asked_by)
            .bind(at)
            .execute(&mut *db)
            .await?;
        }
        payment::Event::ChargeSucceeded { attempt, reference, at, .. } => {
            sqlx::query("UPDATE payments SET state = 'succeeded', reference = $2, paid_at = $3 WHERE payment_id = $1")
                .bind(id)
                .bind(reference)
                .bind(at)
                .execute(&mut *db)
                .await?;
            end_attempt(db, id, *attempt, "succeeded", *at, (Some(reference), None, None)).await?;
        }
        payment::Event::ChargeFailed { attempt, code, next_attempt_at, at, .. } => {
            set_state(db, id, "due").await?;
            end_attempt(db, id, *attempt, "failed", *at, (None, Some(code), *next_attempt_at)).await?;
        }
        payment::Event::SurplusCharged { attempt, reference, at, .. } => {
            // Either the attempt that was on its way, or one whose outcome was known took money besides.
            let awaited = sqlx::query(
                "UPDATE payment_attempts SET state = 'surplus', reference = $3, ended_at = $4
                 WHERE payment_id = $1 AND attempt = $2 AND surplus = '' AND state = 'in_flight'",
            )
            .bind(id)
            .bind(i64::from(*attempt))
            .bind(reference)
            .bind(at)
            .execute(&mut *db)
            .await?;
            if awaited.rows_affected() == 0 {
                sqlx::query(
                    "INSERT INTO payment_attempts (payment_id, attempt, surplus, state, reference, began_at, ended_at)
                     SELECT payment_id, $2, $3, 'surplus', $3, $4, $4 FROM payments WHERE payment_id = $1",
                )
                .bind(id)
                .bind(i64::from(*attempt))
                .bind(reference)
                .bind(at)
                .execute(&mut *db)
                .await?;
            }
        }
        payment::Event::PaymentClosed { .. } => set_state(db, id, "closed").await?,
        // What is given back is told by the refunds.
        _ => {}
    }
    sqlx::query("UPDATE payments SET version = $2, position = $3 WHERE payment_id = $1")
        .bind(id)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

async fn set_state(db: &mut PgConnection, id: Uuid, state: &str) -> Result<(), sqlx::Error> {
    // What is closed stays so, whatever its last attempt comes to.
    sqlx::query("UPDATE payments SET state = $2 WHERE payment_id = $1 AND state NOT IN ('closed', 'succeeded')")
        .bind(id)
        .bind(state)
        .execute(db)
        .await?;
    Ok(())
}

type Words<'a> = (Option<&'a String>, Option<&'a String>, Option<DateTime<Utc>>);

async fn end_attempt(
    db: &mut PgConnection,
    id: Uuid,
    attempt: u32,
    state: &str,
    at: DateTime<Utc>,
    (reference, code, next_attempt_at): Words<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE payment_attempts SET state = $3, reference = $4, code = $5, next_attempt_at = $6, ended_at = $7
         WHERE payment_id = $1 AND attempt = $2 AND surplus = ''",
    )
    .bind(id)
    .bind(i64::from(attempt))
    .bind(state)
    .bind(reference)
    .bind(code)
    .bind(next_attempt_at)
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}

async fn of_refund(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &refund::Event,
) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    let (state, code, at) = match change {
        refund::Event::RefundRequested { payment_id, reference, amount, surplus, reason, at, .. } => {
            sqlx::query(
                "INSERT INTO refunds (refund_id, payment_id, reference, amount, surplus, reason, state, requested_at,
                                      position)
                 SELECT $1, payment_id, $3, $4, $5, $6, 'requested', $7, $8 FROM payments WHERE payment_id = $2",
            )
            .bind(id)
            .bind(payment_id.0)
            .bind(reference)
            .bind(Json(amount))
            .bind(surplus)
            .bind(match reason {
                Reason::NotWanted => "not_wanted",
                Reason::Fault => "fault",
                Reason::Mistake => "mistake",
                Reason::Surplus => "surplus",
            })
            .bind(at)
            .bind(event.position)
            .execute(db)
            .await?;
            return Ok(());
        }
        refund::Event::RefundSent { .. } => ("sent", None, None),
        refund::Event::RefundRejected { .. } => ("rejected", None, Some(event.recorded_at)),
        refund::Event::RefundSucceeded { at, .. } => ("succeeded", None, Some(*at)),
        refund::Event::RefundFailed { code, at, .. } => ("failed", Some(code), Some(*at)),
        _ => return Ok(()),
    };
    sqlx::query("UPDATE refunds SET state = $2, code = $3, ended_at = $4, position = $5 WHERE refund_id = $1")
        .bind(id)
        .bind(state)
        .bind(code)
        .bind(at)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        subscription::testing::{begin, close, fail, invoice_of, issue, refund, request, succeed},
        testing::{LEARNER, in_a_world},
    };

    #[tokio::test]
    async fn a_payment_shows_its_attempts_and_what_was_given_back() {
        in_a_world(async |world| {
            issue(world, 1).await;
            world.project().await;
            let id = payment_id(invoice_of(1));
            let found = async || find(&world.pool, id).await.expect("a database").expect("a payment");
            assert_eq!((found().await.state, found().await.version), (PaymentState::Awaited, 0));
            request(world, 1).await;
            begin(world, 1, 1).await;
            fail(world, 1, 1).await;
            world.project().await;
            let failed = found().await;
            assert_eq!((failed.state, failed.attempts_at.len()), (PaymentState::Due, 5));
            assert_eq!(failed.attempts[0].code.as_deref(), Some("card_declined"));
            begin(world, 1, 2).await;
            succeed(world, 1, 2, "ch_1").await;
            refund(world, 1, 9, 2_900).await;
            world.project().await;
            let paid = found().await;
            assert_eq!((paid.state, paid.reference.as_deref()), (PaymentState::Succeeded, Some("ch_1")));
            let states: Vec<_> = paid.attempts.iter().map(|it| (it.attempt, it.state)).collect();
            assert_eq!(states, [(1, AttemptState::Failed), (2, AttemptState::Succeeded)]);
            let back = &paid.refunds[0];
            assert_eq!((back.state, back.amount.minor()), (RefundState::Succeeded, 2_900));
            assert_eq!(list(&world.pool, LEARNER, i64::MAX, 10).await.expect("a database"), [paid]);
        })
        .await;
    }

    #[tokio::test]
    async fn money_that_comes_after_the_end_is_a_surplus() {
        in_a_world(async |world| {
            issue(world, 1).await;
            request(world, 1).await;
            begin(world, 1, 1).await;
            close(world, 1).await;
            succeed(world, 1, 1, "ch_late").await;
            world.project().await;
            let found = find(&world.pool, payment_id(invoice_of(1))).await.expect("a database").expect("a payment");
            assert_eq!((found.state, found.paid_at), (PaymentState::Closed, None));
            let states: Vec<_> = found.attempts.iter().map(|it| it.state).collect();
            assert_eq!(states, [AttemptState::Surplus]);
        })
        .await;
    }
}
