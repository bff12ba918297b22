//! `GET /v1/imported-learners/{id}`: what a learner did in another system, as it was imported.

use axum::{Json, response::Response};
use baeum_domain::{identity::user::Role, ids::UserId};
use baeum_projections::{history::Whose, learning::imported_attempts};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, id::Id, min_position::Params, problem::Problem,
    tenants::TenantState, wire::Skill,
};

/// How many attempts are shown.
const LATEST: u32 = 100;

/// A learner of another system, by the pseudonym that they have here.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportedLearnerAnswer {
    learner_id: Uuid,
    /// The system that the attempts come from.
    source: String,
    /// How many attempts were imported.
    attempts: i64,
    /// Mean of their scores, 0 to 1.
    mean_score: f64,
    /// When the first was made, by the source.
    first_at: DateTime<Utc>,
    /// When the last was made, by the source.
    last_at: DateTime<Utc>,
    /// The latest 100, the latest first.
    latest: Vec<ImportedAttemptAnswer>,
    /// Position of the last event that changed any of this.
    position: i64,
}

/// An attempt of another system.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportedAttemptAnswer {
    attempt_id: Uuid,
    /// What was attempted, as the source names it.
    item: String,
    /// Where the source tells.
    skill: Option<Skill>,
    /// When it was made, by the source.
    occurred_at: DateTime<Utc>,
    /// 0 to 1.
    score: f64,
    /// Whether it was right, where known.
    correct: Option<bool>,
    /// Where known, in milliseconds.
    duration_ms: Option<u32>,
    /// How many words the answer had, where known.
    words: Option<u32>,
}

/// What a learner did in another system: for analysts and administrators.
#[utoipa::path(
    get, path = "/v1/imported-learners/{id}", tag = "learning", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The learner", body = ImportedLearnerAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn get_imported_learner(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.must_have(&[Role::Analyst, Role::Admin])?;
    let mut models = when.open(&state, &signed_in, &["imported_attempts"], Whose::Learner(learner_id)).await?;
    let row = imported_attempts::find_learner(models.view().db(), learner_id).await?;
    let latest = imported_attempts::of_learner(models.view().db(), learner_id, LATEST).await?;
    let shown = models.close().await;
    // A role reaches as far as its tenant.
    let row = row.filter(|row| row.tenant == signed_in.caller.tenant);
    let row = row.ok_or_else(|| Problem::plain("imported-learner-not-found"))?;
    #[allow(clippy::cast_precision_loss, reason = "counts of attempts are far below 2^52")]
    let mean_score = row.score_sum / row.attempts as f64;
    let latest = latest.into_iter().map(|it| ImportedAttemptAnswer {
        attempt_id: it.attempt_id.0,
        item: it.item,
        skill: it.skill.map(Into::into),
        occurred_at: it.occurred_at,
        score: it.score,
        correct: it.correct,
        duration_ms: it.duration_ms,
        words: it.words,
    });
    Ok(shown.answer(Json(ImportedLearnerAnswer {
        learner_id: row.learner_id,
        source: row.source,
        attempts: row.attempts,
        mean_score,
        first_at: row.first_at,
        last_at: row.last_at,
        latest: latest.collect(),
        position: row.position,
    })))
}
