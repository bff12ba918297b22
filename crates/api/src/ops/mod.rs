//! For operators: health, metrics, and the API's own description.

mod clock;
mod documents;
mod health;
mod metrics;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{problems, state::ApiState};

pub(crate) use documents::{docs_file, docs_index};
pub(crate) use health::{live, ready};
pub(crate) use metrics::metrics;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(clock::get_clock, clock::advance_clock))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(documents::openapi_json))
        .routes(routes!(documents::docs))
        .routes(routes!(problems::get_problem))
}
