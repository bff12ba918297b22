//! `POST /v1/lessons/{id}/abandon`: giving a lesson up.

use axum::response::Response;
use baeum_domain::ids::LessonId;

use super::wire::LessonStatus;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Gives a lesson up.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/abandon", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "The lesson as it now stands", body = Positioned<LessonStatus>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn abandon_lesson(
    state: TenantState,
    _signed_in: SignedIn,
    Id(lesson_id): Id<LessonId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().abandon_lesson(&request, lesson_id).await?;
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| LessonStatus::of(catalog, it)))
}
