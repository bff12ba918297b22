//! What a lesson looks like on the wire.

use std::collections::BTreeSet;

use baeum_commands::learning::Status;
use baeum_domain::{catalog::Catalog, ids::TaskId, learning::evaluation, learning::planning::LessonPlan};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire::{Level, mirror};

mirror! {
    /// How a task is answered.
    #[serde(rename_all = "snake_case")]
    TaskKind = baeum_domain::learning::planning::TaskKind {
        /// Typed.
        Writing,
        /// Spoken; the transcript is sent.
        Speaking,
    }
}

mirror! {
    /// What kind of mistake a span is.
    #[serde(rename_all = "snake_case")]
    ErrorCategory = baeum_domain::learning::evaluation::ErrorCategory {
        Agreement, Article, Preposition, Tense, NounNumber, WordChoice, Spelling, Order, Unspecified,
    }
}

mirror! {
    /// Why an attempt was taken in before it was evaluated.
    #[serde(rename_all = "snake_case")]
    DeferralReason = baeum_domain::learning::evaluation::DeferralReason {
        /// As many answers waited as are let wait.
        Overloaded,
        /// No verdict came in time.
        Late,
        /// The model could not be reached, or is not loaded.
        Unavailable,
        /// The model failed on this answer.
        Failed,
    }
}

/// Whether an attempt has its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttemptStatus {
    /// It will have one: ask again.
    Pending,
    /// It has.
    Evaluated,
}

impl AttemptStatus {
    /// The status of an attempt with this verdict.
    pub(crate) fn of<T>(verdict: Option<&T>) -> Self {
        if verdict.is_some() { Self::Evaluated } else { Self::Pending }
    }
}

mirror! {
    /// How far a lesson is.
    #[serde(rename_all = "snake_case")]
    LessonState = baeum_projections::learning::lessons::LessonState {
        /// It takes viewings and attempts.
        InProgress,
        /// Its work is done.
        Completed,
        /// The learner gave it up.
        Abandoned,
    }
}

/// Where a lesson stands: the answer to commands on it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LessonStatus {
    /// The lesson.
    pub(crate) lesson_id: Uuid,
    /// How far it is.
    pub(crate) state: LessonState,
    /// Clips that are still to be watched.
    pub(crate) clips_left: u32,
    /// Tasks that must still be attempted before the lesson can be completed.
    pub(crate) attempts_left: u32,
    /// Its clips and tasks.
    pub(crate) plan: Option<Plan>,
}

/// The clips and tasks of a lesson, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct Plan {
    /// The level that it was made for.
    level: Level,
    /// What to watch.
    clips: Vec<PlannedClip>,
    /// What to say and write.
    tasks: Vec<PlannedTask>,
    /// How many tasks must have been attempted before the lesson can be completed.
    required_attempts: u32,
}

/// A clip of a lesson: GET /v1/clips/{id} has its transcript.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlannedClip {
    /// The clip.
    clip_id: String,
    /// What it is called.
    title: Option<String>,
    /// Its length in milliseconds.
    duration_ms: u32,
    /// How many transcript segments it has.
    segments: u32,
}

/// A task of a lesson.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlannedTask {
    /// The task.
    task_id: String,
    /// The clip that it is about, watched before.
    clip_id: String,
    /// How it is answered.
    kind: TaskKind,
    /// What it trains.
    focus: String,
    /// What to do.
    prompt: Option<String>,
    /// The least number of words of an answer.
    min_words: u32,
    /// A good answer, once the task was attempted.
    sample: Option<String>,
}

/// What the model found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verdict {
    /// How acceptable the answer is, 0 to 1.
    score: f64,
    /// What is likely wrong, in the order of the text.
    spans: Vec<ErrorSpan>,
    /// Which model said so.
    model_id: String,
    /// SHA-256 of its weights, hexadecimal.
    weights_hash: String,
    /// How long it took, in microseconds.
    latency_us: u32,
    /// How near its meaning is to what the task asks for; none where the task may be answered in many ways, or this
    /// installation does not compare meanings.
    meaning: Option<Meaning>,
}

/// How near the meaning of an answer is to that of a reference: an estimate beside the score and no part of it. Faulty, jumbled
/// and negated sentences are near what they resemble too: it is no ground to pass or fail anybody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Meaning {
    /// Cosine of the two sentence embeddings, -1 to 1: the greatest over the task's references.
    similarity: f64,
    /// Which of the task's references is that near, from 0.
    reference: u32,
    /// Which model said so.
    model_id: String,
    /// SHA-256 of its weights, hexadecimal.
    weights_hash: String,
}

/// A part of the answer that is likely wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorSpan {
    /// Where it begins, in Unicode scalar values from 0.
    start: u32,
    /// Where it ends, exclusive.
    end: u32,
    /// What kind of mistake.
    category: ErrorCategory,
    /// Probability of a mistake here, 0 to 1.
    confidence: f64,
    /// What could stand there instead, where one is safe; empty to leave the part out.
    suggestion: Option<String>,
}

impl From<evaluation::Verdict> for Verdict {
    fn from(verdict: evaluation::Verdict) -> Self {
        let span = |it: evaluation::ErrorSpan| ErrorSpan {
            start: it.start,
            end: it.end,
            category: it.category.into(),
            confidence: it.confidence,
            suggestion: it.suggestion,
        };
        Self {
            score: verdict.score,
            spans: verdict.spans.into_iter().map(span).collect(),
            model_id: verdict.model_id,
            weights_hash: verdict.weights_hash,
            latency_us: verdict.latency_us,
            meaning: verdict.meaning.map(|it| Meaning {
                similarity: it.similarity,
                reference: it.reference,
                model_id: it.model.model_id,
                weights_hash: it.model.weights_hash,
            }),
        }
    }
}

impl Plan {
    /// A plan with what the catalogue says of it. Samples of `attempted` tasks only.
    pub(crate) fn of(catalog: &Catalog, plan: LessonPlan, attempted: &BTreeSet<TaskId>) -> Self {
        let clips = plan.clips.into_iter().map(|clip| PlannedClip {
            title: catalog.clips.get(&clip.clip_id).map(|it| it.title.clone()),
            clip_id: clip.clip_id.into(),
            duration_ms: clip.duration_ms,
            segments: clip.segments,
        });
        let tasks = plan.tasks.into_iter().map(|task| {
            let written = catalog.task(&task.task_id).map(|(_, written)| written);
            PlannedTask {
                prompt: written.map(|it| it.prompt.clone()),
                sample: written.filter(|_| attempted.contains(&task.task_id)).map(|it| it.sample.clone()),
                task_id: task.task_id.into(),
                clip_id: task.clip_id.into(),
                kind: task.kind.into(),
                focus: task.focus.into(),
                min_words: task.min_words,
            }
        });
        Self {
            level: plan.level.into(),
            clips: clips.collect(),
            tasks: tasks.collect(),
            required_attempts: plan.required_attempts,
        }
    }
}

impl LessonStatus {
    /// The answer to a command.
    pub(crate) fn of(catalog: &Catalog, status: Status) -> Self {
        Self {
            lesson_id: status.lesson_id.0,
            state: match (status.completed, status.abandoned) {
                (true, _) => LessonState::Completed,
                (false, true) => LessonState::Abandoned,
                (false, false) => LessonState::InProgress,
            },
            clips_left: status.clips_left,
            attempts_left: status.attempts_left,
            plan: status.plan.map(|plan| Plan::of(catalog, plan, &BTreeSet::new())),
        }
    }
}
