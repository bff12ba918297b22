//! `POST /v1/assessments`: starting a level test.

use axum::response::Response;

use super::wire::AssessmentAnswer;
use crate::{
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// Starts a level test for the caller.
#[utoipa::path(
    post, path = "/v1/assessments", tag = "assessment", security(("bearer" = [])), params(CommandHeaders),
    responses(
        (status = 201, description = "Started: answer `next_item`", body = Positioned<AssessmentAnswer>,
         headers(("Location" = String), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn start_assessment(state: TenantState, Bare(request): Bare) -> Result<Response, Problem> {
    let outcome = state.commands().start_assessment(&request).await?;
    let location = format!("/v1/assessments/{}", outcome.answer.assessment_id);
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), |it| AssessmentAnswer::of(catalog, it)))
}
