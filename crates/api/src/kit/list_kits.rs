//! `GET /v1/kits`: the caller's own kits.

use axum::Json;
use baeum_projections::kit::kits;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::KitAnswer;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Which kits.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KitsQuery {
    /// How many, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Kits, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitsAnswer {
    kits: Vec<KitAnswer>,
}

/// The caller's own kits, the latest first. A blind box shows its contents once it is revealed.
#[utoipa::path(
    get, path = "/v1/kits", tag = "kit", security(("bearer" = [])), params(KitsQuery),
    responses((status = 200, description = "The kits", body = KitsAnswer), QueryProblems)
)]
pub(crate) async fn list_kits(
    state: TenantState,
    signed_in: SignedIn,
    Params(KitsQuery { limit, min_position }): Params<KitsQuery>,
) -> Result<Json<KitsAnswer>, Problem> {
    let limit = limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    MinPosition { min_position }.wait(&state, &signed_in, "kits").await?;
    let rows = kits::list(state.log().pool(), signed_in.caller.user_id, limit).await?;
    Ok(Json(KitsAnswer { kits: rows.into_iter().map(|row| KitAnswer::of(row, None)).collect() }))
}
