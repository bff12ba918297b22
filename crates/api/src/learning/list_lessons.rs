//! `GET /v1/lessons`: the caller's own lessons.

use axum::{Json, response::Response};
use baeum_projections::{history::Whose, learning::lessons};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::LessonState;
use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, tenants::TenantState,
    wire::Level,
};

/// Which lessons.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LessonsQuery {
    /// How many, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
    /// Answer as of a moment of the past: a position of the log, or a time with its zone (RFC 3339). The header
    /// `Baeum-As-Of` tells the position that it is of.
    #[param(example = "2026-03-01T12:00:00Z")]
    as_of: Option<String>,
}

/// Lessons, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LessonsAnswer {
    lessons: Vec<LessonSummary>,
}

/// A lesson in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct LessonSummary {
    lesson_id: Uuid,
    level: Level,
    state: LessonState,
    /// Clips of its plan.
    planned_clips: u32,
    /// Of them watched.
    consumed_clips: u32,
    /// Attempts made.
    attempts: u32,
    /// Mean of the best scores, once completed.
    mean_score: Option<f64>,
    /// Time spent, in milliseconds.
    active_ms: i64,
    /// The learner's calendar day on which it began.
    local_date: NaiveDate,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

/// The caller's own lessons, the latest first.
#[utoipa::path(
    get, path = "/v1/lessons", tag = "learning", security(("bearer" = [])), params(LessonsQuery),
    responses(
        (status = 200, description = "The lessons", body = LessonsAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn list_lessons(
    state: TenantState,
    signed_in: SignedIn,
    Params(LessonsQuery { limit, min_position, as_of }): Params<LessonsQuery>,
) -> Result<Response, Problem> {
    let limit = limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    let (learner, when) = (signed_in.caller.user_id, When { min_position, as_of });
    let mut models = when.open(&state, &signed_in, &["lessons"], Whose::LatestLessons(learner, limit)).await?;
    let rows = lessons::list(models.view().db(), learner, limit).await?;
    let shown = models.close().await;
    let lessons = rows.into_iter().map(|row| LessonSummary {
        lesson_id: row.lesson_id.0,
        level: row.level.into(),
        state: row.state.into(),
        planned_clips: row.planned_clips,
        consumed_clips: row.consumed_clips,
        attempts: row.attempts,
        mean_score: row.mean_score,
        active_ms: row.active_ms,
        local_date: row.local_date,
        started_at: row.started_at,
        ended_at: row.ended_at,
    });
    Ok(shown.answer(Json(LessonsAnswer { lessons: lessons.collect() })))
}
