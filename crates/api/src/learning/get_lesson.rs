//! `GET /v1/lessons/{id}`: a lesson with all that happened in it.

use std::collections::BTreeSet;

use axum::response::Response;
use baeum_commands::vault::{Field, VaultError};
use baeum_domain::ids::{LessonId, UserId};
use baeum_projections::{
    history::Whose,
    learning::lessons::{self, Attempt},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{AttemptStatus, DeferralReason, LessonStatus, Plan, TaskKind, Verdict};
use crate::{
    as_of::When, caller::SignedIn, conditional::versioned, docs::QueryProblems, id::Id, min_position::Params,
    problem::Problem, tenants::TenantState,
};

/// A lesson with all that happened in it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LessonAnswer {
    #[serde(flatten)]
    status: LessonStatus,
    /// Whose lesson.
    learner_id: Uuid,
    /// The clips watched.
    consumed: Vec<ConsumedClip>,
    /// The attempts, in the order in which they were made.
    attempts: Vec<AttemptMade>,
    /// Mean of the best scores of the attempted tasks, 0 to 1, once completed.
    mean_score: Option<f64>,
    /// Time spent, in milliseconds.
    active_ms: i64,
    /// The learner's calendar day on which it began.
    local_date: NaiveDate,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
}

/// A clip that was watched, over all viewings.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsumedClip {
    clip_id: String,
    /// How often.
    viewings: u32,
    /// Time spent, in milliseconds.
    watched_ms: u64,
    /// Segments played again.
    repeats: u64,
    /// Playback speed of the latest viewing, in percent.
    speed_percent: u16,
    /// Whether it was ever watched to its end.
    to_the_end: bool,
}

/// An attempt that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptMade {
    attempt_id: Uuid,
    task_id: String,
    kind: TaskKind,
    /// Which attempt at the task, from 1.
    ordinal: u32,
    /// The learner's own words; none once their key was erased, and for everyone but the learner.
    answer: Option<String>,
    /// How many words it has.
    words: u32,
    /// Milliseconds worked or spoken, where measured.
    duration_ms: Option<u32>,
    /// Whether it has its verdict.
    status: AttemptStatus,
    /// Why the verdict comes later, while it does.
    reason: Option<DeferralReason>,
    /// Whether the score reached the pass mark, once evaluated.
    passed: Option<bool>,
    /// What the model found, once evaluated.
    verdict: Option<Verdict>,
    submitted_at: DateTime<Utc>,
}

/// A lesson with its plan, the clips watched and the attempts made.
#[utoipa::path(
    get, path = "/v1/lessons/{id}", tag = "learning", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The lesson", body = LessonAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_lesson(
    state: TenantState,
    signed_in: SignedIn,
    Id(lesson_id): Id<LessonId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    let mut models = when.open(&state, &signed_in, &["lessons"], Whose::Lesson(lesson_id)).await?;
    let row = lessons::find(models.view().db(), lesson_id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("lesson-not-found"))?;
    signed_in.may_read(&state, row.learner_id, "lesson-not-found").await?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let attempted: BTreeSet<_> = row.attempts.iter().map(|it| it.task_id.clone()).collect();
    let status = LessonStatus {
        lesson_id: row.lesson_id.0,
        state: row.state.into(),
        clips_left: count(row.plan.clips.len().saturating_sub(row.clips.len())),
        attempts_left: row.plan.required_attempts.saturating_sub(count(attempted.len())),
        plan: Some(Plan::of(state.catalog(), row.plan, &attempted)),
    };
    let consumed = row.clips.into_iter().map(|clip| ConsumedClip {
        clip_id: clip.clip_id.into(),
        viewings: clip.viewings,
        watched_ms: clip.watched_ms,
        repeats: clip.repeats,
        speed_percent: clip.speed_percent,
        to_the_end: clip.to_the_end,
    });
    let mut attempts = vec![];
    for attempt in row.attempts {
        attempts.push(AttemptMade::of(&state, &signed_in, row.learner_id, attempt).await?);
    }
    let answer = LessonAnswer {
        status,
        learner_id: row.learner_id.0,
        consumed: consumed.collect(),
        attempts,
        mean_score: row.mean_score,
        active_ms: row.active_ms,
        local_date: row.local_date,
        started_at: row.started_at,
        ended_at: row.ended_at,
    };
    Ok(shown.answer(versioned(row.version, answer)))
}

impl AttemptMade {
    /// An attempt of `learner`, with its words where the learner asks.
    pub(super) async fn of(
        state: &TenantState,
        signed_in: &SignedIn,
        learner: UserId,
        attempt: Attempt,
    ) -> Result<Self, Problem> {
        let answer = if signed_in.is(learner) { open(state, learner, &attempt).await? } else { None };
        Ok(Self {
            attempt_id: attempt.attempt_id.0,
            task_id: attempt.task_id.into(),
            kind: attempt.kind.into(),
            ordinal: attempt.ordinal,
            answer,
            words: attempt.words,
            duration_ms: attempt.duration_ms,
            status: AttemptStatus::of(attempt.verdict.as_ref()),
            reason: attempt.deferred.map(Into::into),
            passed: attempt.passed,
            verdict: attempt.verdict.map(Into::into),
            submitted_at: attempt.submitted_at,
        })
    }
}

async fn open(state: &TenantState, learner: UserId, attempt: &Attempt) -> Result<Option<String>, Problem> {
    match state.commands().vault().open(&state.tenant, learner, Field::Answer, &attempt.answer).await {
        Ok(text) => Ok(text),
        Err(error @ VaultError::Damaged(_)) => {
            tracing::error!(%error, attempt = %attempt.attempt_id, "a text is shown as erased");
            Ok(None)
        }
        Err(error) => Err(Problem::refusal(&error)),
    }
}
