//! `POST /v1/lessons/{id}/attempts`: answering a task, and getting the model's verdict, now or later.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use baeum_commands::learning::submit_attempt::Attempt;
use baeum_domain::ids::{LessonId, TaskId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{AttemptStatus, DeferralReason, TaskKind, Verdict};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// After how many seconds to ask for a verdict that comes later: about when it is first tried again.
pub(super) const ASK_AGAIN: u32 = 2;

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
    /// Whether it has its verdict.
    status: AttemptStatus,
    /// Why the verdict comes later, where it does.
    reason: Option<DeferralReason>,
    /// What the model found, once evaluated.
    verdict: Option<Verdict>,
    /// Whether the score reached the pass mark, once evaluated.
    passed: Option<bool>,
    /// Tasks that must still be attempted before the lesson can be completed.
    attempts_left: u32,
    /// A good answer, to compare with.
    sample: Option<String>,
}

/// Submits an answer to a task. It is evaluated before it is recorded, and the verdict is recorded with it. Where the model
/// gives none in time, the answer is taken in all the same and evaluated later, once: the attempt at Location shows it then.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/attempts", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = AttemptRequest,
    responses(
        (status = 201, description = "Evaluated", body = Positioned<AttemptAnswer>,
         headers(("Location" = String, description = "The attempt"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        (status = 202, description = "Taken in, and evaluated later", body = Positioned<AttemptAnswer>,
         headers(("Location" = String, description = "The attempt"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String),
                 ("Retry-After" = u32, description = "Seconds after which to ask for the verdict"))),
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
    let location = format!("/v1/lessons/{lesson_id}/attempts/{}", outcome.answer.attempt_id);
    let is_pending = outcome.answer.verdict.is_none();
    let catalog = state.catalog();
    let mut response = answered(&state, request.caller.user_id, outcome, Some(location), |it| AttemptAnswer {
        lesson_id: it.lesson_id.0,
        attempt_id: it.attempt_id.0,
        sample: catalog.task(&it.task_id).map(|(_, task)| task.sample.clone()),
        task_id: it.task_id.into(),
        status: AttemptStatus::of(it.verdict.as_ref()),
        reason: it.deferred.map(Into::into),
        verdict: it.verdict.map(Into::into),
        passed: it.passed,
        attempts_left: it.attempts_left,
    });
    if is_pending {
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ASK_AGAIN));
    }
    Ok(response)
}
