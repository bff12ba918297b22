//! Progress of learners.

mod get_progress;
mod get_vector;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get_progress::get_progress)).routes(routes!(get_vector::get_vector))
}
