//! `POST /v1/lessons`: starting a lesson.

use axum::response::Response;

use super::wire::LessonStatus;
use crate::{
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// Plans and starts a lesson for the caller, from their level, weaknesses and interests.
#[utoipa::path(
    post, path = "/v1/lessons", tag = "learning", security(("bearer" = [])), params(CommandHeaders),
    responses(
        (status = 201, description = "Started", body = Positioned<LessonStatus>,
         headers(("Location" = String), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn start_lesson(state: TenantState, Bare(request): Bare) -> Result<Response, Problem> {
    let outcome = state.commands().start_lesson(&request).await?;
    let location = format!("/v1/lessons/{}", outcome.answer.lesson_id);
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), |it| LessonStatus::of(catalog, it)))
}
