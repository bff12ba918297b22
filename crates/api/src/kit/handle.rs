//! `POST /v1/kits/{id}/reveal`, `/cancel` and `/units/{n}/revoke`.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::Response,
};
use baeum_domain::ids::KitId;

use super::wire::Done;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::{Id, parse},
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// A unit of a kit, by the path.
pub(crate) struct UnitOf {
    pub(super) kit_id: KitId,
    pub(super) slot: u8,
}

impl FromRequestParts<ApiState> for UnitOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((kit_id, slot)) = given.map_err(|_| Problem::plain("invalid-id"))?;
        let slot = slot.parse().map_err(|_| Problem::new("invalid-id", "the place in the kit is 1 to 10"))?;
        Ok(Self { kit_id: parse(&kit_id)?, slot })
    }
}

/// Shows the contents of the caller's blind box, from its delivery or its moment on.
#[utoipa::path(
    post, path = "/v1/kits/{id}/reveal", tag = "kit", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "They are shown", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn reveal(
    state: TenantState,
    _signed_in: SignedIn,
    Id(kit_id): Id<KitId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().reveal_kit(&request, kit_id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}

/// Cancels a kit that is not packed yet; what was paid for it is refunded. For administrators.
#[utoipa::path(
    post, path = "/v1/kits/{id}/cancel", tag = "kit", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "It will not come", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn cancel(
    state: TenantState,
    _signed_in: SignedIn,
    Id(kit_id): Id<KitId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().cancel_kit(&request, kit_id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}

/// Has the code of a unit open nothing any more, such as one that was lost. For administrators.
#[utoipa::path(
    post, path = "/v1/kits/{id}/units/{n}/revoke", tag = "kit", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("n" = u8, Path, description = "The place in the kit"), CommandHeaders),
    responses(
        (status = 200, description = "It opens nothing any more", body = Positioned<Done>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn revoke(
    state: TenantState,
    _signed_in: SignedIn,
    unit: UnitOf,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().revoke_unit(&request, unit.kit_id, unit.slot).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| Done {}))
}
