//! `POST /v1/kits/scan`: what the QR code of a unit opens.

use axum::response::Response;
use baeum_commands::kit::scan::Scanned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// What a QR code says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanBody {
    /// All of it.
    #[schema(example = "bk1.…", max_length = 100)]
    token: String,
}

/// What it opens.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScanAnswer {
    kit_id: Uuid,
    /// The place in the kit.
    slot: u8,
    sku: String,
    /// The clip.
    clip_id: String,
    /// The lesson on it, which has begun: GET /v1/lessons/{id}.
    lesson_id: Uuid,
}

/// Opens what the QR code of a unit of the caller's stands for: a lesson on the matching clip, which begins with the first
/// scan.
#[utoipa::path(
    post, path = "/v1/kits/scan", tag = "kit", security(("bearer" = [])), params(CommandHeaders),
    request_body = ScanBody,
    responses(
        (status = 200, description = "What it opens", body = Positioned<ScanAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn scan(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<ScanBody>,
) -> Result<Response, Problem> {
    let outcome = state.commands().scan_unit(&request, &body.token).await?;
    let answer = |Scanned { kit_id, slot, sku, clip_id, lesson_id }| ScanAnswer {
        kit_id: kit_id.0,
        slot,
        sku: sku.into(),
        clip_id: clip_id.into(),
        lesson_id: lesson_id.0,
    };
    Ok(answered(&state, request.caller.user_id, outcome, None, answer))
}
