//! `POST /v1/plans`: creating a plan, by administrators.

use axum::response::Response;
use baeum_domain::ids::PlanId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{GivenOffer, PlanAnswer};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// A new plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePlanRequest {
    /// Its name: 1 to 64 lower-case letters, digits, `-` and `_`.
    #[schema(value_type = String)]
    plan_id: PlanId,
    /// Its first offer.
    offer: GivenOffer,
}

/// Creates a plan: for administrators.
#[utoipa::path(
    post, path = "/v1/plans", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = CreatePlanRequest,
    responses(
        (status = 201, description = "Created", body = Positioned<PlanAnswer>,
         headers(("Location" = String), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn create_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<CreatePlanRequest>,
) -> Result<Response, Problem> {
    let CreatePlanRequest { plan_id, offer } = body;
    let location = format!("/v1/plans/{plan_id}");
    let outcome = state.commands().create_plan(&request, plan_id, offer.read()?).await?;
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), PlanAnswer::from))
}
