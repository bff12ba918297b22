//! Accounts: registering, signing in, profile and roles.

mod get_learner;
mod jwks;
mod patch_learner;
mod register;
mod roles;
mod token;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(token::token))
        .routes(routes!(jwks::jwks))
        .routes(routes!(get_learner::get_learner, patch_learner::patch_learner))
        .routes(routes!(roles::grant, roles::revoke))
}
