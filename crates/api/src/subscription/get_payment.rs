//! `GET /v1/payments` and `/v1/payments/{id}`.

use axum::{Json, response::Response};
use baeum_domain::ids::PaymentId;
use baeum_projections::subscription::payments::{self, Attempt, Payment, Refund};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{get_invoice::OfPersonQuery, wire::Amount};
use crate::{
    caller::SignedIn,
    conditional::versioned,
    docs::QueryProblems,
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
    wire::mirror,
};

mirror! {
    /// How far a payment is.
    #[serde(rename_all = "snake_case")]
    PaymentState = baeum_projections::subscription::payments::PaymentState {
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
}

mirror! {
    /// How an attempt to charge went.
    #[serde(rename_all = "snake_case")]
    ChargeState = baeum_projections::subscription::payments::AttemptState {
        /// Its outcome is not known.
        InFlight,
        /// It took the money.
        Succeeded,
        /// It did not, and will not.
        Failed,
        /// It took money that it must not have taken, which is given back.
        Surplus,
    }
}

mirror! {
    /// Who had a charge attempted.
    #[serde(rename_all = "snake_case")]
    ChargeAskedBy = baeum_domain::subscription::payment::AskedBy {
        /// Its schedule.
        Schedule,
        /// The subscriber.
        Subscriber,
    }
}

mirror! {
    /// How far a refund is.
    #[serde(rename_all = "snake_case")]
    RefundState = baeum_projections::subscription::payments::RefundState {
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
}

mirror! {
    /// Why money is given back.
    #[serde(rename_all = "snake_case")]
    RefundCause = baeum_domain::subscription::refund::Reason {
        /// They changed their mind.
        NotWanted,
        /// Something did not work.
        Fault,
        /// It was bought by mistake.
        Mistake,
        /// The charge must not have been.
        Surplus,
    }
}

/// Payments, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentsAnswer {
    payments: Vec<PaymentAnswer>,
    /// Go on with `before` = this; nothing at the end.
    next_before: Option<i64>,
}

/// A payment.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentAnswer {
    /// Its id.
    payment_id: Uuid,
    /// What it pays.
    invoice_id: Uuid,
    /// Who pays.
    subscriber: Uuid,
    /// What is charged.
    amount: Amount,
    /// How far it is.
    state: PaymentState,
    /// When the schedule charges it, and again after each failure.
    attempts_at: Vec<DateTime<Utc>>,
    /// When the money was taken.
    paid_at: Option<DateTime<Utc>>,
    /// Attempts to charge it, in order.
    attempts: Vec<ChargeAttempt>,
    /// What was asked back, in order.
    refunds: Vec<RefundAnswer>,
}

/// An attempt to charge a payment.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChargeAttempt {
    /// Which, from 1.
    attempt: u32,
    /// Who asked for it; nobody for a charge that must not have been.
    asked_by: Option<ChargeAskedBy>,
    /// How it went.
    state: ChargeState,
    /// The gateway's code of why it failed.
    code: Option<String>,
    /// When it is tried again after this failure.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When it began.
    began_at: DateTime<Utc>,
    /// When its outcome was known.
    ended_at: Option<DateTime<Utc>>,
}

/// A refund.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefundAnswer {
    /// Its id.
    refund_id: Uuid,
    /// How much.
    amount: Amount,
    /// Why.
    reason: RefundCause,
    /// How far it is.
    state: RefundState,
    /// The gateway's code of why it failed.
    code: Option<String>,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When it was decided.
    ended_at: Option<DateTime<Utc>>,
}

impl From<Attempt> for ChargeAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            asked_by: attempt.asked_by.map(Into::into),
            state: attempt.state.into(),
            code: attempt.code,
            next_attempt_at: attempt.next_attempt_at,
            began_at: attempt.began_at,
            ended_at: attempt.ended_at,
        }
    }
}

impl From<Refund> for RefundAnswer {
    fn from(refund: Refund) -> Self {
        Self {
            refund_id: refund.refund_id.0,
            amount: refund.amount.into(),
            reason: refund.reason.into(),
            state: refund.state.into(),
            code: refund.code,
            requested_at: refund.requested_at,
            ended_at: refund.ended_at,
        }
    }
}

impl From<Payment> for PaymentAnswer {
    fn from(row: Payment) -> Self {
        Self {
            payment_id: row.payment_id.0,
            invoice_id: row.invoice_id.0,
            subscriber: row.subscriber.0,
            amount: row.amount.into(),
            state: row.state.into(),
            attempts_at: row.attempts_at,
            paid_at: row.paid_at,
            attempts: row.attempts.into_iter().map(Into::into).collect(),
            refunds: row.refunds.into_iter().map(Into::into).collect(),
        }
    }
}

/// The payments of a person, the latest first.
#[utoipa::path(
    get, path = "/v1/payments", tag = "subscription", security(("bearer" = [])), params(OfPersonQuery),
    responses((status = 200, description = "The payments", body = PaymentsAnswer), QueryProblems)
)]
pub(crate) async fn list_payments(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<OfPersonQuery>,
) -> Result<Json<PaymentsAnswer>, Problem> {
    let (subscriber, before, limit) = query.read(&state, &signed_in, "payments").await?;
    let rows = payments::list(state.log().pool(), subscriber, before, limit).await?;
    let next_before = rows.last().filter(|_| rows.len() == limit as usize).map(|last| last.issued_position);
    Ok(Json(PaymentsAnswer { payments: rows.into_iter().map(Into::into).collect(), next_before }))
}

/// A payment, with every attempt to charge it and what was given back.
#[utoipa::path(
    get, path = "/v1/payments/{id}", tag = "subscription", security(("bearer" = [])),
    params(("id" = Uuid, Path), MinPosition),
    responses(
        (status = 200, description = "The payment", body = PaymentAnswer, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_payment(
    state: TenantState,
    signed_in: SignedIn,
    Id(id): Id<PaymentId>,
    Params(min_position): Params<MinPosition>,
) -> Result<Response, Problem> {
    min_position.wait(&state, &signed_in, "payments").await?;
    let row = payments::find(state.log().pool(), id).await?;
    let row = row.ok_or_else(|| Problem::plain("payment-not-found"))?;
    signed_in.may_read(&state, row.subscriber, "payment-not-found").await?;
    Ok(versioned(row.version, PaymentAnswer::from(row)))
}
