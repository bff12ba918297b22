//! `POST /v1/payments/{id}/attempts`: having a payment charged at once.

use axum::response::Response;
use baeum_commands::subscription::pay_now::Begun;
use baeum_domain::ids::PaymentId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::Amount;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A charge that was begun: the payment tells what comes of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct BegunAnswer {
    payment_id: Uuid,
    invoice_id: Uuid,
    /// Which attempt, from 1.
    attempt: u32,
    /// What is charged.
    amount: Amount,
}

impl From<Begun> for BegunAnswer {
    fn from(begun: Begun) -> Self {
        Self {
            payment_id: begun.payment_id.0,
            invoice_id: begun.invoice_id.0,
            attempt: begun.attempt,
            amount: begun.amount.into(),
        }
    }
}

/// Has a payment charged now, beside its schedule: for instance after another card was given. The gateway is asked next;
/// the payment tells what comes of it.
#[utoipa::path(
    post, path = "/v1/payments/{id}/attempts", tag = "subscription", security(("bearer" = [])),
    params(("id" = Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "Begun", body = Positioned<BegunAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn pay_now(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<PaymentId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().pay_now(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, BegunAnswer::from))
}
