//! `POST /v1/plans/{id}/offers`: offering a plan on other terms, by administrators.

use axum::response::Response;
use baeum_domain::ids::PlanId;

use super::wire::{GivenOffer, PlanAnswer};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Offers a plan on other terms from now on: for administrators. Who has subscribed keeps what they agreed to.
#[utoipa::path(
    post, path = "/v1/plans/{id}/offers", tag = "subscription", security(("bearer" = [])),
    params(("id" = String, Path, description = "The plan"), CommandHeaders), request_body = GivenOffer,
    responses(
        (status = 200, description = "Offered", body = Positioned<PlanAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn offer_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Id(plan_id): Id<PlanId>,
    Incoming { request, body }: Incoming<GivenOffer>,
) -> Result<Response, Problem> {
    let outcome = state.commands().offer_plan(&request, plan_id, body.read()?).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, PlanAnswer::from))
}
