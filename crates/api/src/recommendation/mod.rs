//! What to watch next.

mod get_recommendations;
mod react;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get_recommendations::get_recommendations)).routes(routes!(react::react))
}
