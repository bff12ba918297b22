//! `GET /v1/clips/{id}`: a clip with its transcript and tasks.

use axum::{Json, extract::State};
use baeum_domain::ids::ClipId;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::ClipSummary;
use crate::{
    caller::SignedIn, docs::QueryProblems, id::Id, learning::wire::TaskKind, problem::Problem, state::ApiState,
    wire::texts,
};

/// A clip with its transcript and tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipAnswer {
    #[serde(flatten)]
    clip: ClipSummary,
    /// Grammar points and sub-skills in it.
    focus: Vec<String>,
    /// The transcript, in order.
    segments: Vec<Segment>,
    /// What to say and write afterwards.
    tasks: Vec<Task>,
}

/// A stretch of speech.
#[derive(Serialize, ToSchema)]
pub(crate) struct Segment {
    /// Where it begins, in milliseconds.
    start_ms: u32,
    /// Where it ends.
    end_ms: u32,
    /// What is said.
    text: String,
    /// The same in Korean.
    gloss: String,
}

/// A speaking or writing task.
#[derive(Serialize, ToSchema)]
pub(crate) struct Task {
    task_id: String,
    kind: TaskKind,
    /// What to do.
    prompt: String,
    /// What it trains.
    focus: String,
    /// The least number of words of an answer.
    min_words: u32,
}

/// A clip with its transcript and tasks.
#[utoipa::path(
    get, path = "/v1/clips/{id}", tag = "media", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, description = "The clip", body = ClipAnswer), QueryProblems)
)]
pub(crate) async fn get_clip(
    State(state): State<ApiState>,
    _signed_in: SignedIn,
    Id(clip_id): Id<ClipId>,
) -> Result<Json<ClipAnswer>, Problem> {
    let clip = state.catalog().clips.get(&clip_id).ok_or_else(|| Problem::plain("clip-not-found"))?;
    let segments = clip.segments.iter().map(|it| Segment {
        start_ms: it.start_ms,
        end_ms: it.end_ms,
        text: it.text.clone(),
        gloss: it.gloss.clone(),
    });
    let tasks = clip.tasks.iter().map(|it| Task {
        task_id: it.id.to_string(),
        kind: it.kind.into(),
        prompt: it.prompt.clone(),
        focus: it.focus.to_string(),
        min_words: it.min_words,
    });
    Ok(Json(ClipAnswer {
        clip: clip.into(),
        focus: texts(clip.focus.iter().cloned()),
        segments: segments.collect(),
        tasks: tasks.collect(),
    }))
}
