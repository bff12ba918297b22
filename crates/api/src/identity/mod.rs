//! Accounts: registering, signing in, profile and roles; what there is about a person, and how it is forgotten.

mod erasure;
mod get_learner;
mod jwks;
mod patch_learner;
mod personal_data;
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
        .routes(routes!(erasure::request, erasure::status, erasure::withdraw))
        .routes(routes!(personal_data::personal_data))
        .routes(routes!(roles::grant, roles::revoke))
}
