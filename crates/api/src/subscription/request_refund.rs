//! `POST /v1/payments/{id}/refunds`: asking for money back.

use axum::response::Response;
use baeum_commands::subscription::request_refund::Requested;
use baeum_domain::{ids::PaymentId, subscription::refund::Reason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{number::GivenAmount, wire::Amount};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// What to give back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundRequest {
    /// How much, more than nothing; all that the policy allows if left out.
    amount: Option<GivenAmount>,
    /// Why.
    reason: RefundReason,
}

/// Why money is asked back.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundReason {
    /// They changed their mind.
    NotWanted,
    /// Something did not work.
    Fault,
    /// It was bought by mistake.
    Mistake,
}

/// A refund that was asked for: the payment tells what comes of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefundRequested {
    refund_id: Uuid,
    payment_id: Uuid,
    /// How much.
    amount: Amount,
}

impl From<Requested> for RefundRequested {
    fn from(requested: Requested) -> Self {
        Self { refund_id: requested.refund_id.0, payment_id: requested.payment_id.0, amount: requested.amount.into() }
    }
}

/// Asks for the money of a payment back, in whole or in part, within the policy of the platform. Usage credits are given
/// back whole, while they are not used.
#[utoipa::path(
    post, path = "/v1/payments/{id}/refunds", tag = "subscription", security(("bearer" = [])),
    params(("id" = Uuid, Path), CommandHeaders), request_body = RefundRequest,
    responses(
        (status = 201, description = "Asked for", body = Positioned<RefundRequested>,
         headers(("Location" = String, description = "The payment"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn request_refund(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<PaymentId>,
    Incoming { request, body }: Incoming<RefundRequest>,
) -> Result<Response, Problem> {
    let amount = body.amount.map(|amount| amount.read("amount")).transpose()?;
    let reason = match body.reason {
        RefundReason::NotWanted => Reason::NotWanted,
        RefundReason::Fault => Reason::Fault,
        RefundReason::Mistake => Reason::Mistake,
    };
    let outcome = state.commands().request_refund(&request, id, amount, reason).await?;
    let location = format!("/v1/payments/{id}");
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), RefundRequested::from))
}
