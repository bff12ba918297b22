//! The level test.

mod abandon;
mod get;
mod get_ability;
mod get_item_parameters;
mod respond;
mod start;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start::start_assessment))
        .routes(routes!(get::get_assessment))
        .routes(routes!(respond::respond))
        .routes(routes!(abandon::abandon_assessment))
        .routes(routes!(get_item_parameters::get_item_parameters))
        .routes(routes!(get_ability::get_ability))
}
