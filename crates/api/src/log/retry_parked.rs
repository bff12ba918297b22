//! `POST /v1/projections/{name}/parked/{key}/retry`: trying a parked stream again.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::list_parked::Stream;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// That the deed is recorded. The read model does it when it comes to that position.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordedAnswer {}

/// Has a parked stream tried again: for administrators. Wait for the read model to come to the position that is answered,
/// then list what is parked to see what came of it.
#[utoipa::path(
    post, path = "/v1/projections/{name}/parked/{key}/retry", tag = "log", security(("bearer" = [])),
    params(
        ("name" = String, Path, description = "The read model"),
        ("key" = String, Path, description = "The stream"), CommandHeaders
    ),
    responses(
        (status = 200, description = "It is recorded", body = Positioned<RecordedAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn retry_parked(
    state: TenantState,
    _signed_in: SignedIn,
    stream: Stream,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().retry_parked(&request, stream.named(), || stream.find(&state)).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| RecordedAnswer {}))
}
