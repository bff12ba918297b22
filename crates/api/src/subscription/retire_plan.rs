//! `POST /v1/plans/{id}/retire`: taking no new subscribers, by administrators.

use axum::response::Response;
use baeum_domain::ids::PlanId;

use super::wire::PlanAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Has a plan take no new subscribers: for administrators. Who has subscribed goes on.
#[utoipa::path(
    post, path = "/v1/plans/{id}/retire", tag = "subscription", security(("bearer" = [])),
    params(("id" = String, Path, description = "The plan"), CommandHeaders),
    responses(
        (status = 200, description = "Retired", body = Positioned<PlanAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn retire_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Id(plan_id): Id<PlanId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().retire_plan(&request, plan_id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, PlanAnswer::from))
}
