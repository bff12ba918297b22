//! The models that evaluate what is written: which are installed, which answers whom, and experiments between them.

mod deploy;
mod experiments;
mod get_evaluators;
mod get_experiment;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(get_evaluators::get_evaluators))
        .routes(routes!(deploy::promote))
        .routes(routes!(deploy::roll_back))
        .routes(routes!(deploy::shadow))
        .routes(routes!(experiments::start_experiment))
        .routes(routes!(experiments::stop_experiment))
        .routes(routes!(get_experiment::get_experiment))
}
