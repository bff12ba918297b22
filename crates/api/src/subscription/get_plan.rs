//! `GET /v1/plans` and `/v1/plans/{id}`: what can be subscribed to, for everybody.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use baeum_domain::ids::PlanId;
use baeum_projections::subscription::plans;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::PlanAnswer;
use crate::{
    conditional::versioned,
    docs::{PublicQueryProblems, TenantHeader},
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// Which plans.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlansQuery {
    /// Those too that take no new subscribers.
    retired: Option<bool>,
    /// Plans after this name.
    #[param(value_type = Option<String>)]
    after: Option<PlanId>,
    /// How many at most, 1 to 100; 100 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Plans, by their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlansAnswer {
    /// Go on with `after` = the name of the last one.
    plans: Vec<PlanAnswer>,
}

/// What can be subscribed to. Needs no token.
#[utoipa::path(
    get, path = "/v1/plans", tag = "subscription", params(PlansQuery, TenantHeader),
    responses((status = 200, description = "The plans", body = PlansAnswer), PublicQueryProblems)
)]
pub(crate) async fn list_plans(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(query): Params<PlansQuery>,
) -> Result<Json<PlansAnswer>, Problem> {
    let state = TenantState::of_header(&headers, &state)?;
    let PlansQuery { retired, after, limit, min_position } = query;
    let limit = limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    MinPosition { min_position }.reach(&state, "plans").await?;
    let (pool, all) = (state.log().pool(), retired.unwrap_or(false));
    let found = plans::list(pool, &state.tenant, all, after.as_ref(), limit).await?;
    let plans = found.into_iter().map(|it| PlanAnswer::of(it.plan_id, it.number, it.offer, it.retired));
    Ok(Json(PlansAnswer { plans: plans.collect() }))
}

/// A plan. Needs no token.
#[utoipa::path(
    get, path = "/v1/plans/{id}", tag = "subscription",
    params(("id" = String, Path, description = "The plan"), MinPosition, TenantHeader),
    responses(
        (status = 200, description = "The plan", body = PlanAnswer, headers(("ETag" = String))),
        PublicQueryProblems,
    )
)]
pub(crate) async fn get_plan(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Id(plan_id): Id<PlanId>,
    Params(min_position): Params<MinPosition>,
) -> Result<Response, Problem> {
    let state = TenantState::of_header(&headers, &state)?;
    min_position.reach(&state, "plans").await?;
    let found = plans::find(state.log().pool(), &state.tenant, &plan_id).await?;
    let plan = found.ok_or_else(|| Problem::new("plan-not-found", format!("there is no plan {plan_id}")))?;
    Ok(versioned(plan.version, PlanAnswer::of(plan.plan_id, plan.number, plan.offer, plan.retired)))
}
