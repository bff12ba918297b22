//! `POST /v1/projections/{name}/parked/{key}/skip`: going on without an event.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{list_parked::Stream, retry_parked::RecordedAnswer};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// Why an event is left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkipBody {
    /// Why; it is recorded with who.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Has a parked stream go on without the event that it stands at, now and whenever the read model is derived again: for
/// administrators.
#[utoipa::path(
    post, path = "/v1/projections/{name}/parked/{key}/skip", tag = "log", security(("bearer" = [])),
    params(
        ("name" = String, Path, description = "The read model"),
        ("key" = String, Path, description = "The stream"), CommandHeaders
    ),
    request_body = SkipBody,
    responses(
        (status = 200, description = "It is recorded", body = Positioned<RecordedAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn skip_parked(
    state: TenantState,
    _signed_in: SignedIn,
    stream: Stream,
    Incoming { request, body }: Incoming<SkipBody>,
) -> Result<Response, Problem> {
    let find = || stream.find(&state);
    let outcome = state.commands().skip_parked(&request, stream.named(), &body.reason, find).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| RecordedAnswer {}))
}
