//! `GET /v1/kits/{id}/units/{n}/qr.svg`: the QR code of a unit, for its owner and for who packs.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use baeum_domain::identity::user::Role;
use baeum_projections::kit::kits;
use qrcode::{EcLevel, QrCode, render::svg};

use super::handle::UnitOf;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// The QR code of a unit as a picture. Scanned by its owner, it opens the matching lesson (POST /v1/kits/scan).
#[utoipa::path(
    get, path = "/v1/kits/{id}/units/{n}/qr.svg", tag = "kit", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("n" = u8, Path, description = "The place in the kit"), MinPosition),
    responses(
        (status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
        QueryProblems,
    )
)]
pub(crate) async fn get_qr(
    state: TenantState,
    signed_in: SignedIn,
    unit: UnitOf,
    Params(min_position): Params<MinPosition>,
) -> Result<Response, Problem> {
    min_position.wait(&state, &signed_in, "kits").await?;
    let row = kits::find(state.log().pool(), unit.kit_id).await?;
    let row = row.ok_or_else(|| Problem::plain("kit-not-found"))?;
    // Whoever has the code may not use it for another, so analysts have no business with it.
    if !signed_in.is(row.learner_id) && !signed_in.caller.has_any(&[Role::Admin]) {
        return Err(Problem::plain("not-yours"));
    }
    signed_in.may_read(&state, row.learner_id, "kit-not-found").await?;
    let packed = row.units.iter().find(|it| it.slot == unit.slot);
    let packed = packed.ok_or_else(|| Problem::plain("kit-unit-not-found"))?;
    if packed.revoked_at.is_some() {
        return Err(Problem::plain("code-revoked"));
    }
    let token = state.commands().unit_token(&state.tenant, unit.kit_id, unit.slot).await;
    let token = token.map_err(|error| Problem::refusal(&error))?;
    let code = QrCode::with_error_correction_level(token, EcLevel::Q).expect("a token fits a code");
    let picture = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response())
}
