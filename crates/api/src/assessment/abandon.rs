//! `POST /v1/assessments/{id}/abandon`: leaving a level test.

use axum::response::Response;
use baeum_domain::ids::AssessmentId;

use super::wire::AssessmentAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Leaves a level test before its end.
#[utoipa::path(
    post, path = "/v1/assessments/{id}/abandon", tag = "assessment", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "The test as it now stands", body = Positioned<AssessmentAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn abandon_assessment(
    state: TenantState,
    _signed_in: SignedIn,
    Id(assessment_id): Id<AssessmentId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().abandon_assessment(&request, assessment_id).await?;
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| AssessmentAnswer::of(catalog, it)))
}
