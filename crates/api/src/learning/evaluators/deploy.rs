//! `POST /v1/evaluators/promotions`, `/rollbacks` and `/shadow`: which model answers, by administrators.

use axum::response::Response;
use baeum_commands::learning::deployment::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{Deployment, ModelName};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// A model to promote.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromotionRequest {
    /// An installed model.
    model: ModelName,
}

/// A model to take back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackRequest {
    /// The promoted model.
    model: ModelName,
    /// Why, at most 500 characters.
    reason: String,
}

/// A model to ask in the shadow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShadowRequest {
    /// An installed model; none is asked any more if left out.
    model: Option<ModelName>,
}

/// Has a model answer whomever no experiment assigns to another: for administrators.
#[utoipa::path(
    post, path = "/v1/evaluators/promotions", tag = "evaluators", security(("bearer" = [])), params(CommandHeaders),
    request_body = PromotionRequest,
    responses(
        (status = 200, description = "As it now is", body = Positioned<Deployment>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn promote(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<PromotionRequest>,
) -> Result<Response, Problem> {
    let outcome = state.commands().deploy_evaluator(&request, Change::Promote(body.model.into())).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| Deployment::from(&it)))
}

/// Takes the promoted model back: the one before it answers again. For administrators.
#[utoipa::path(
    post, path = "/v1/evaluators/rollbacks", tag = "evaluators", security(("bearer" = [])), params(CommandHeaders),
    request_body = RollbackRequest,
    responses(
        (status = 200, description = "As it now is", body = Positioned<Deployment>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn roll_back(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<RollbackRequest>,
) -> Result<Response, Problem> {
    let change = Change::RollBack { model: body.model.into(), reason: body.reason };
    let outcome = state.commands().deploy_evaluator(&request, change).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| Deployment::from(&it)))
}

/// Asks a model in the shadow from now on, in place of another that may be there, or none: for administrators. What it
/// says is recorded, and shown to no learner.
#[utoipa::path(
    post, path = "/v1/evaluators/shadow", tag = "evaluators", security(("bearer" = [])), params(CommandHeaders),
    request_body = ShadowRequest,
    responses(
        (status = 200, description = "As it now is", body = Positioned<Deployment>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn shadow(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<ShadowRequest>,
) -> Result<Response, Problem> {
    let change = body.model.map_or(Change::StopShadow, |model| Change::StartShadow(model.into()));
    let outcome = state.commands().deploy_evaluator(&request, change).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| Deployment::from(&it)))
}
