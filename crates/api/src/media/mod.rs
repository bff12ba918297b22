//! Clips and titles of the catalogue.

mod get_clip;
mod get_title;
mod list_clips;
pub(crate) mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_clips::list_clips))
        .routes(routes!(get_clip::get_clip))
        .routes(routes!(get_title::get_title))
}
