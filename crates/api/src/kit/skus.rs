//! `/v1/skus`: what kits are made of, for administrators.

use axum::{Json, response::Response};
use baeum_domain::{identity::user::Role, ids::SkuId};
use baeum_projections::kit::skus;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Done, SkuListing};
use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// SKUs by their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkusAnswer {
    skus: Vec<SkuAnswer>,
}

/// A SKU.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkuAnswer {
    sku: String,
    /// Which revision, from 1.
    revision: u32,
    /// Whether it is chosen for no kit any more.
    retired: bool,
    #[serde(flatten)]
    listing: SkuListing,
}

/// The SKUs that kits are made of. For administrators and analysts: who waits for a blind box does not look.
#[utoipa::path(
    get, path = "/v1/skus", tag = "kit", security(("bearer" = [])), params(MinPosition),
    responses((status = 200, description = "The SKUs", body = SkusAnswer), QueryProblems)
)]
pub(crate) async fn list_skus(
    state: TenantState,
    signed_in: SignedIn,
    Params(min_position): Params<MinPosition>,
) -> Result<Json<SkusAnswer>, Problem> {
    signed_in.must_have(&[Role::Admin, Role::Analyst])?;
    min_position.wait(&state, &signed_in, "skus").await?;
    let rows = skus::list(state.log().pool(), &state.tenant).await?;
    let shown = rows.into_iter().map(|row| SkuAnswer {
        sku: row.sku.into(),
        revision: row.revision,
        retired: row.retired,
        listing: row.listing.into(),
    });
    Ok(Json(SkusAnswer { skus: shown.collect() }))
}

/// Has a SKU with these facts; one that was retired is chosen again.
#[utoipa::path(
    put, path = "/v1/skus/{id}", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), CommandHeaders), request_body = SkuListing,
    responses(
        (status = 200, description = "It is there", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn put_sku(
    state: TenantState,
    _signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Incoming { request, body }: Incoming<SkuListing>,
) -> Result<Response, Problem> {
    let outcome = state.commands().list_sku(&request, sku, body.read()?).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}

/// Chooses a SKU for no kit any more. Kits that have it keep it.
#[utoipa::path(
    delete, path = "/v1/skus/{id}", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), CommandHeaders),
    responses(
        (status = 200, description = "It is retired", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn delete_sku(
    state: TenantState,
    _signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().retire_sku(&request, sku).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}
