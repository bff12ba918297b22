//! `GET`, `PUT` and `DELETE /v1/kits/address`: where the caller's kits go.

use axum::{Json, response::Response};
use baeum_domain::kit::address::Address;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::Done;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    problem::Problem,
    tenants::TenantState,
};

/// An address. Lines have at most 120 characters.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryAddress {
    /// Who receives the parcel.
    recipient: String,
    /// Street, house, flat.
    street: String,
    city: String,
    #[serde(default)]
    postal_code: Option<String>,
    /// ISO 3166-1.
    #[schema(example = "KR")]
    country: String,
    /// By which the carrier can reach the recipient.
    #[serde(default)]
    phone: Option<String>,
}

/// Where the caller's kits go. Nobody else can ask for it; the carrier gets it with a parcel.
#[utoipa::path(
    get, path = "/v1/kits/address", tag = "kit", security(("bearer" = [])),
    responses((status = 200, description = "The address", body = DeliveryAddress), QueryProblems)
)]
pub(crate) async fn get_address(state: TenantState, signed_in: SignedIn) -> Result<Json<DeliveryAddress>, Problem> {
    let found = state.commands().delivery_address(&state.tenant, signed_in.caller.user_id).await;
    let found = found.map_err(|error| Problem::refusal(&error))?;
    let Address { recipient, street, city, postal_code, country, phone } =
        found.ok_or_else(|| Problem::plain("address-not-found"))?;
    Ok(Json(DeliveryAddress { recipient, street, city, postal_code, country: country.into(), phone }))
}

/// Has the caller's kits go there. It is sealed under the caller's key.
#[utoipa::path(
    put, path = "/v1/kits/address", tag = "kit", security(("bearer" = [])), params(CommandHeaders),
    request_body = DeliveryAddress,
    responses(
        (status = 200, description = "They go there from now on", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn put_address(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<DeliveryAddress>,
) -> Result<Response, Problem> {
    let country = body.country.parse();
    let country =
        country.map_err(|error| Problem::new("invalid-body", format!("country: {error}")).with("field", "country"))?;
    let DeliveryAddress { recipient, street, city, postal_code, phone, .. } = body;
    let address = Address { recipient, street, city, postal_code, country, phone };
    let outcome = state.commands().set_delivery_address(&request, &address).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}

/// Has it no longer known where the caller's kits go. A kit that is packed then waits.
#[utoipa::path(
    delete, path = "/v1/kits/address", tag = "kit", security(("bearer" = [])), params(CommandHeaders),
    responses(
        (status = 200, description = "It is not known any more", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn delete_address(
    state: TenantState,
    _signed_in: SignedIn,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().remove_delivery_address(&request).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}
