//! `GET /v1/kits/{id}`: a kit, and where it is.

use axum::response::Response;
use baeum_commands::vault::Field;
use baeum_domain::ids::KitId;
use baeum_projections::kit::kits;

use super::wire::KitAnswer;
use crate::{
    caller::SignedIn,
    conditional::versioned,
    docs::QueryProblems,
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// A kit: what it is made of, unless it is a blind box that is not revealed, and where it is.
#[utoipa::path(
    get, path = "/v1/kits/{id}", tag = "kit", security(("bearer" = [])), params(("id" = uuid::Uuid, Path), MinPosition),
    responses(
        (status = 200, description = "The kit", body = KitAnswer, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_kit(
    state: TenantState,
    signed_in: SignedIn,
    Id(kit_id): Id<KitId>,
    Params(min_position): Params<MinPosition>,
) -> Result<Response, Problem> {
    min_position.wait(&state, &signed_in, "kits").await?;
    let row = kits::find(state.log().pool(), kit_id).await?;
    let row = row.ok_or_else(|| Problem::plain("kit-not-found"))?;
    signed_in.may_read(&state, row.learner_id, "kit-not-found").await?;
    let shipment = match &row.shipment {
        Some(sealed) if signed_in.is(row.learner_id) => {
            let opened = state.commands().vault().open(&state.tenant, row.learner_id, Field::Shipment, sealed).await;
            opened.map_err(|error| Problem::refusal(&error))?
        }
        _ => None,
    };
    Ok(versioned(row.version, KitAnswer::of(row, shipment)))
}
