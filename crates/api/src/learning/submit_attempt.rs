//! `POST /v1/lessons/{id}/attempts`: answering a task, and getting the model's verdict.

use axum::response::Response;
use baeum_commands::learning::submit_attempt::Attempt;
use baeum_domain::ids::{LessonId, TaskId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{TaskKind, Verdict};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// An attempt at a task.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttemptRequest {
    /// The task, one of the lesson's.
    #[schema(value_type = String)]
    task_id: TaskId,
    /// How it was answered: as the task asks.
    kind: TaskKind,
    /// What was written, or the transcript of what was said; at most 4,000 characters.
    #[schema(max_length = 4000)]
    answer: String,
    /// Milliseconds worked or spoken, where measured.
    duration_ms: Option<u32>,
}

/// The verdict on an attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptAnswer {
    /// The lesson.
    lesson_id: Uuid,
    /// The attempt.
    attempt_id: Uuid,
    /// The task.
    task_id: String,
    /// What the model found.
    verdict: Verdict,
    /// Whether the score reached the pass mark.
    passed: bool,
    /// Tasks that must still be attempted before the lesson can be completed.
    attempts_left: u32,
    /// A good answer, to compare with.
    sample: Option<String>,
}

/// Submits an answer to a task. It is evaluated before it is recorded, and the verdict is recorded with it.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/attempts", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = AttemptRequest,
    responses(
        (status = 201, description = "Evaluated", body = Positioned<AttemptAnswer>,
         headers(("Location" = String, description = "The lesson"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn submit_attempt(
    state: TenantState,
    _signed_in: SignedIn,
    Id(lesson_id): Id<LessonId>,
    Incoming { request, body }: Incoming<AttemptRequest>,
) -> Result<Response, Problem> {
    let AttemptRequest { task_id, kind, answer, duration_ms } = body;
    let attempt = Attempt { task_id, kind: kind.into(), answer, duration_ms };
    let outcome = state.commands().submit_attempt(&request, lesson_id, attempt).await?;
    let location = format!("/v1/lessons/{lesson_id}");
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), |it| AttemptAnswer {
        lesson_id: it.lesson_id.0,
        attempt_id: it.attempt_id.0,
        sample: catalog.task(&it.task_id).map(|(_, task)| task.sample.clone()),
        task_id: it.task_id.into(),
        verdict: it.verdict.into(),
        passed: it.passed,
        attempts_left: it.attempts_left,
    }))
}
