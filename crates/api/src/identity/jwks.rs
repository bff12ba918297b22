//! `GET /.well-known/jwks.json`: the public keys by which anyone can check a token.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    docs::{PublicProblems, TenantHeader},
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// An Ed25519 key (RFC 8037).
#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// `EdDSA`.
    alg: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    purpose: &'static str,
    /// Its name in the header of tokens.
    kid: String,
    /// The public key, base64url.
    x: String,
}

/// The public keys of the tokens of a tenant, the newest first.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "identity", params(TenantHeader),
    responses((status = 200, description = "The keys", body = KeySet), PublicProblems)
)]
pub(crate) async fn jwks(State(state): State<ApiState>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    let state = TenantState::of_header(&headers, &state)?;
    // Keys that cannot be read again are still good.
    let _ = state.keys().refresh(state.commands()).await;
    let keys = state.keys().public().into_iter().map(|(kid, x)| Key {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        purpose: "sig",
        kid,
        x,
    });
    Ok(([(header::CACHE_CONTROL, "public, max-age=60")], Json(KeySet { keys: keys.collect() })))
}
