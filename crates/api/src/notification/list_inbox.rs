//! `GET /v1/notifications`: the caller's inbox.

use axum::Json;
use baeum_projections::notification::notifications;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::InboxItem;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Which part of the inbox.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InboxQuery {
    /// How many, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Only what came before this position: the position of the last item of the page before.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// Only what was not read.
    #[serde(default)]
    unread: bool,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// The inbox, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct InboxAnswer {
    notifications: Vec<InboxItem>,
    /// How many of the whole inbox were not read.
    unread: i64,
}

/// The caller's own inbox, the latest first.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notification", security(("bearer" = [])), params(InboxQuery),
    responses((status = 200, description = "The inbox", body = InboxAnswer), QueryProblems)
)]
pub(crate) async fn list_inbox(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<InboxQuery>,
) -> Result<Json<InboxAnswer>, Problem> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    let before = query.before.map(|it| state.position("before", it)).transpose()?;
    MinPosition { min_position: query.min_position }.wait(&state, &signed_in, "notifications").await?;
    let (pool, user) = (state.log().pool(), signed_in.caller.user_id);
    let rows = notifications::inbox(pool, user, before, query.unread, limit).await?;
    let unread = notifications::unread(pool, user).await?;
    let reader = state.commands().address_of(&state.tenant, user).await?;
    let reader = reader.map(|it| it.display_name).unwrap_or_default();
    let items = rows.into_iter().filter_map(|row| InboxItem::of(state.commands(), &reader, row)).collect();
    Ok(Json(InboxAnswer { notifications: items, unread }))
}
