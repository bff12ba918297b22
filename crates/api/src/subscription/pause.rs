//! `POST /v1/subscriptions/{id}/pause` and `/resume`.

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

/// Has the subscription stand still: there is no service, and no paid second is lost.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/pause", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "Paused", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn pause_subscription(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().pause_subscription(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}

/// Has the subscription go on; the end of its period is put off by the pause.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/resume", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "Resumed", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn resume_subscription(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().resume_subscription(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}
