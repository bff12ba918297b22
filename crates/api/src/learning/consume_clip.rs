//! `POST /v1/lessons/{id}/clips`: recording that a clip was watched.

use axum::response::Response;
use baeum_commands::learning::consume_clip::Viewing;
use baeum_domain::{
    ids::{ClipId, LessonId},
    learning::lesson::SegmentRepeat,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::LessonStatus;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A viewing of a clip.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipViewing {
    /// The clip, one of the lesson's.
    #[schema(value_type = String)]
    clip_id: ClipId,
    /// Time spent watching, in milliseconds.
    #[schema(minimum = 1)]
    watched_ms: u32,
    /// Playback speed in percent, 25 to 300; 100 if left out.
    #[serde(default = "normal_speed")]
    #[schema(minimum = 25, maximum = 300)]
    speed_percent: u16,
    /// Segments that were played again.
    #[serde(default)]
    repeats: Vec<Repeat>,
}

/// A transcript segment that was played again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    /// Which segment, from 0.
    segment: u32,
    /// How many times more than once.
    #[schema(minimum = 1, maximum = 100)]
    times: u32,
}

fn normal_speed() -> u16 {
    100
}

/// Records that a clip of the lesson was watched, at which speed, and which segments were repeated.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/clips", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = ClipViewing,
    responses(
        (status = 200, description = "The lesson as it now stands", body = Positioned<LessonStatus>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn consume_clip(
    state: TenantState,
    _signed_in: SignedIn,
    Id(lesson_id): Id<LessonId>,
    Incoming { request, body }: Incoming<ClipViewing>,
) -> Result<Response, Problem> {
    let repeats = body.repeats.into_iter().map(|it| SegmentRepeat { segment: it.segment, times: it.times });
    let viewing = Viewing {
        clip_id: body.clip_id,
        watched_ms: body.watched_ms,
        speed_percent: body.speed_percent,
        repeats: repeats.collect(),
    };
    let outcome = state.commands().consume_clip(&request, lesson_id, viewing).await?;
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| LessonStatus::of(catalog, it)))
}
