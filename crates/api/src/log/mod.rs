//! The event log and what is derived from it, for auditors and analysts.

mod list_events;
mod projections;
mod stream_events;
mod wire;

use baeum_domain::identity::user::Role;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

/// Who reads the log.
const READERS: &[Role] = &[Role::Auditor, Role::Analyst, Role::Admin];

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_events::list_events))
        .routes(routes!(stream_events::stream_events))
        .routes(routes!(projections::projections))
}
