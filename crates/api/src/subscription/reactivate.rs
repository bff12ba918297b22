//! `POST /v1/subscriptions/{id}/reactivate`.

use axum::response::Response;
use baeum_domain::ids::SubscriptionId;

use super::wire::SubscriptionAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Begins a new period after the end, on the terms that were agreed to; it is paid first. Before the end, has the
/// subscription be renewed after all.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/reactivate", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "Reactivated", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn reactivate_subscription(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().reactivate_subscription(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}
