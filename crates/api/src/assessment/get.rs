//! `GET /v1/assessments/{id}`: a level test with the item that waits.

use axum::response::Response;
use baeum_domain::ids::AssessmentId;
use baeum_projections::{
    assessment::assessments::{self, AssessmentState as Stored},
    history::Whose,
};

use super::wire::{Ability, AssessmentAnswer, AssessmentState, Item};
use crate::{
    as_of::When, caller::SignedIn, conditional::versioned, docs::QueryProblems, id::Id, min_position::Params,
    problem::Problem, tenants::TenantState,
};

/// A level test as it stands.
#[utoipa::path(
    get, path = "/v1/assessments/{id}", tag = "assessment", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), When),
    responses(
        (status = 200, description = "The test", body = AssessmentAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_assessment(
    state: TenantState,
    signed_in: SignedIn,
    Id(assessment_id): Id<AssessmentId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    let mut models = when.open(&state, &signed_in, &["assessments"], Whose::Assessment(assessment_id)).await?;
    let row = assessments::find(models.view().db(), assessment_id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("assessment-not-found"))?;
    signed_in.may_read(&state, row.learner_id, "assessment-not-found").await?;
    let answer = AssessmentAnswer {
        assessment_id: row.assessment_id.0,
        state: match row.state {
            Stored::InProgress => AssessmentState::InProgress,
            Stored::Assessed => AssessmentState::Assessed,
            Stored::Abandoned => AssessmentState::Abandoned,
        },
        answered: row.answered,
        ability: row.theta.zip(row.standard_error).map(|(theta, error)| Ability::new(theta, error)),
        next_item: row.current_item.and_then(|id| Item::of(state.catalog(), &id)),
        report: row.report.map(Into::into),
    };
    Ok(shown.answer(versioned(row.version, answer)))
}
