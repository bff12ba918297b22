//! Lessons, and the models that evaluate what is written in them.

mod abandon;
mod complete;
mod consume_clip;
mod dispute;
mod evaluators;
mod get_attempt;
mod get_imported_learner;
mod get_lesson;
mod list_lessons;
mod start_lesson;
mod submit_attempt;
mod submit_recording;
pub(crate) mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start_lesson::start_lesson, list_lessons::list_lessons))
        .routes(routes!(get_lesson::get_lesson))
        .routes(routes!(consume_clip::consume_clip))
        .routes(routes!(submit_attempt::submit_attempt))
        .routes(routes!(get_attempt::get_attempt))
        .routes(routes!(dispute::dispute_evaluation))
        .routes(routes!(submit_recording::submit_recording))
        .routes(routes!(complete::complete_lesson))
        .routes(routes!(abandon::abandon_lesson))
        .routes(routes!(get_imported_learner::get_imported_learner))
        .merge(evaluators::routes())
}
