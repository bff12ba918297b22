//! `/v1/kit-plans`: which plans come with a kit.

use axum::{Json, response::Response};
use baeum_domain::ids::PlanId;
use baeum_projections::kit::kit_plans;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Done, KitPlanTerms};
use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Plans with a kit.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitPlansAnswer {
    kit_plans: Vec<KitPlanAnswer>,
}

/// A plan with a kit.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitPlanAnswer {
    plan_id: String,
    #[serde(flatten)]
    terms: KitPlanTerms,
}

/// The plans that come with a kit.
#[utoipa::path(
    get, path = "/v1/kit-plans", tag = "kit", security(("bearer" = [])), params(MinPosition),
    responses((status = 200, description = "The plans", body = KitPlansAnswer), QueryProblems)
)]
pub(crate) async fn list_plans(
    state: TenantState,
    signed_in: SignedIn,
    Params(min_position): Params<MinPosition>,
) -> Result<Json<KitPlansAnswer>, Problem> {
    min_position.wait(&state, &signed_in, "kit_plans").await?;
    let rows = kit_plans::list(state.log().pool(), &state.tenant).await?;
    let shown = rows.into_iter().map(|row| KitPlanAnswer { plan_id: row.plan_id.into(), terms: row.terms.into() });
    Ok(Json(KitPlansAnswer { kit_plans: shown.collect() }))
}

/// Has each paid period of a plan come with such a kit from now on. For administrators.
#[utoipa::path(
    put, path = "/v1/kit-plans/{id}", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The plan"), CommandHeaders), request_body = KitPlanTerms,
    responses(
        (status = 200, description = "It does", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn put_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Id(plan_id): Id<PlanId>,
    Incoming { request, body }: Incoming<KitPlanTerms>,
) -> Result<Response, Problem> {
    let outcome = state.commands().set_kit_plan(&request, plan_id, body.read()?).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}

/// Has periods of a plan that begin from now on come without a kit. For administrators.
#[utoipa::path(
    delete, path = "/v1/kit-plans/{id}", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The plan"), CommandHeaders),
    responses(
        (status = 200, description = "It does not any more", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn delete_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Id(plan_id): Id<PlanId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().end_kit_plan(&request, plan_id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}
