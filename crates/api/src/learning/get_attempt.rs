//! `GET /v1/lessons/{id}/attempts/{attempt_id}`: an attempt, with its verdict once it has one.

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderValue, header, request::Parts},
    response::Response,
};
use baeum_domain::ids::{AttemptId, LessonId};
use baeum_projections::{history::Whose, learning::lessons};

use super::{get_lesson::AttemptMade, submit_attempt::ASK_AGAIN};
use crate::{
    as_of::When, caller::SignedIn, conditional::versioned, docs::QueryProblems, id, min_position::Params,
    problem::Problem, state::ApiState, tenants::TenantState,
};

/// The attempt in the path.
pub(crate) struct AttemptOf {
    pub(crate) lesson_id: LessonId,
    pub(crate) attempt_id: AttemptId,
}

impl FromRequestParts<ApiState> for AttemptOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((lesson, attempt)) = given.map_err(|_| Problem::plain("invalid-id"))?;
        Ok(Self { lesson_id: id::parse(&lesson)?, attempt_id: id::parse(&attempt)? })
    }
}

/// An attempt at a task of a lesson. While it waits for its verdict, Retry-After says when to ask again.
#[utoipa::path(
    get, path = "/v1/lessons/{id}/attempts/{attempt_id}", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("attempt_id" = uuid::Uuid, Path), When),
    responses(
        (status = 200, description = "The attempt", body = AttemptMade, headers(
            ("ETag" = String, description = "That of the lesson"),
            ("Retry-After" = u32, description = "Seconds after which to ask again, while it waits for its verdict"),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_attempt(
    state: TenantState,
    signed_in: SignedIn,
    AttemptOf { lesson_id, attempt_id }: AttemptOf,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    let mut models = when.open(&state, &signed_in, &["lessons"], Whose::Lesson(lesson_id)).await?;
    let found = lessons::find_attempt(models.view().db(), lesson_id, attempt_id).await?;
    let shown = models.close().await;
    let found = found.ok_or_else(|| Problem::plain("attempt-not-found"))?;
    signed_in.may_read(&state, found.learner_id, "attempt-not-found").await?;
    let is_pending = found.attempt.verdict.is_none();
    let attempt = AttemptMade::of(&state, &signed_in, found.learner_id, found.attempt).await?;
    let mut response = shown.answer(versioned(found.version, attempt));
    if is_pending {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ASK_AGAIN));
    }
    Ok(response)
}
