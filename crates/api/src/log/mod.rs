//! The event log and what is derived from it, for auditors and analysts.

mod list_accesses;
mod list_events;
mod list_parked;
mod projections;
mod retry_parked;
mod seal;
mod skip_parked;
mod stream_events;
mod trail;
mod wire;

use baeum_domain::identity::user::Role;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::wire::LoggedEvent;
use crate::state::ApiState;

/// Who reads the log.
const READERS: &[Role] = &[Role::Auditor, Role::Analyst, Role::Admin];

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_events::list_events))
        .routes(routes!(stream_events::stream_events))
        .routes(routes!(list_accesses::list_accesses))
        .routes(routes!(projections::projections))
        .routes(routes!(list_parked::list_parked))
        .routes(routes!(retry_parked::retry_parked))
        .routes(routes!(skip_parked::skip_parked))
        .routes(routes!(seal::get_checkpoint))
        .routes(routes!(seal::get_key))
        .routes(routes!(seal::get_tile))
        .routes(routes!(seal::prove_inclusion))
        .routes(routes!(seal::prove_consistency))
        .routes(routes!(trail::get_trail))
        .routes(routes!(trail::get_causes))
}
