//! `GET /v1/learners/{id}/ability`: the ability over all sittings.

use axum::{Json, response::Response};
use baeum_domain::ids::UserId;
use baeum_projections::{assessment::abilities, history::Whose};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, id::Id, min_position::Params, problem::Problem,
    tenants::TenantState,
};

/// The ability of a learner over all sittings of the level test, re-estimated with every answer that counts.
#[derive(Serialize, ToSchema)]
pub(crate) struct AbilityAnswer {
    learner_id: Uuid,
    /// Ability in logits of the catalogue's scale.
    theta: f64,
    /// Its standard error after the last answer, in logits.
    standard_error: f64,
    /// Answers that count.
    answers: i64,
    /// Of them right.
    correct: i64,
    /// By which calibration of the items the last answer was taken in; 0 for the catalogue.
    calibration: i32,
    /// When that was.
    answered_at: DateTime<Utc>,
}

/// A learner's ability: for themselves, instructors, analysts and administrators. It is an estimate, with an error.
#[utoipa::path(
    get, path = "/v1/learners/{id}/ability", tag = "assessment", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses((status = 200, description = "The ability", body = AbilityAnswer), QueryProblems)
)]
pub(crate) async fn get_ability(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.may_read_progress(&state, learner_id).await?;
    let mut models = when.open(&state, &signed_in, &["abilities"], Whose::Learner(learner_id)).await?;
    let row = abilities::find(models.view().db(), learner_id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("ability-not-found"))?;
    Ok(shown.answer(Json(AbilityAnswer {
        learner_id: row.learner_id.0,
        theta: row.theta,
        standard_error: row.standard_error,
        answers: row.answers,
        correct: row.correct,
        calibration: row.calibration,
        answered_at: row.answered_at,
    })))
}
