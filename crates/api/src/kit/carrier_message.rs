//! `POST /v1/webhooks/carrier`: where parcels are, told by the carrier.

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{docs::MessageProblems, json, layers::RequestId, problem::Problem, state::ApiState, tenants::TenantState};

/// The header of the carrier's signature.
const SIGNATURE: &str = "carrier-signature";

/// A message as it came.
pub(crate) struct Message {
    signature: String,
    body: axum::body::Bytes,
    state: ApiState,
    id: uuid::Uuid,
}

impl FromRequest<ApiState> for Message {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, state: &ApiState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let signature = parts.headers.get(SIGNATURE).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let id = parts.extensions.get::<RequestId>().map_or_else(|| state.clock().new_id(), |id| id.0);
        Ok(Self { signature, body: json::bytes(body).await?, state: state.clone(), id })
    }
}

/// It was taken in, or was known.
#[derive(Serialize, ToSchema)]
pub(crate) struct TakenIn {}

/// Takes in where a parcel is. The carrier signs what it says; said twice, late or in another order, it changes nothing
/// more.
#[utoipa::path(
    post, path = "/v1/webhooks/carrier", tag = "kit",
    params(("Carrier-Signature" = String, Header, description = "`t=<seconds>,v1=<hex>`: HMAC-SHA-256 of `<seconds>.<body>`")),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "It was taken in, or was known", body = TakenIn), MessageProblems)
)]
pub(crate) async fn take_in(message: Message) -> Result<Json<TakenIn>, Problem> {
    let Message { signature, body, state, id } = message;
    let tracking = state.any_commands().read_carrier_message(&signature, &body);
    let tracking = tracking.map_err(|error| Problem::refusal(&error))?;
    // Which tenant's kit it is, the signed body says; of one that is not served here nothing is known.
    let tenant = TenantState::of(&tracking.reference.tenant, &state);
    let tenant = tenant.ok_or_else(|| Problem::plain("kit-not-found"))?;
    tenant.commands().take_in_tracking(&tracking, id).await?;
    Ok(Json(TakenIn {}))
}
