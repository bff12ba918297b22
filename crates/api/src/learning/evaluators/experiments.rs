//! `POST /v1/evaluators/experiments` and `/{id}/stop`: dividing the learners between models, by administrators.

use axum::response::Response;
use baeum_commands::learning::deployment::Change;
use baeum_domain::ids::ExperimentId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{Arm, Deployment, ExperimentOutcome};
use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A new experiment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExperimentRequest {
    /// The models and their shares, two to four. The first is what the others are compared with.
    #[schema(min_items = 2, max_items = 4)]
    arms: Vec<Arm>,
    /// What it is to be decided by.
    outcome: ExperimentOutcome,
}

/// Divides the learners between models by chance: for administrators. A learner stays in their arm.
#[utoipa::path(
    post, path = "/v1/evaluators/experiments", tag = "evaluators", security(("bearer" = [])), params(CommandHeaders),
    request_body = ExperimentRequest,
    responses(
        (status = 200, description = "As it now is, with the experiment's id", body = Positioned<Deployment>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn start_experiment(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<ExperimentRequest>,
) -> Result<Response, Problem> {
    let arms = body.arms.into_iter().map(Into::into).collect();
    let change = Change::StartExperiment { arms, outcome: body.outcome.into() };
    let outcome = state.commands().deploy_evaluator(&request, change).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| Deployment::from(&it)))
}

/// Divides the learners no more: for administrators.
#[utoipa::path(
    post, path = "/v1/evaluators/experiments/{id}/stop", tag = "evaluators", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "As it now is", body = Positioned<Deployment>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn stop_experiment(
    state: TenantState,
    _signed_in: SignedIn,
    Id(experiment): Id<ExperimentId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().deploy_evaluator(&request, Change::StopExperiment(experiment)).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| Deployment::from(&it)))
}
