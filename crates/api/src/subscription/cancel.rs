//! `POST /v1/subscriptions/{id}/cancel` and `/withdraw-cancellation`.

use axum::response::Response;
use baeum_commands::subscription::cancel::End;
use baeum_domain::ids::SubscriptionId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::SubscriptionAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// When to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    /// When.
    end: CancelAt,
}

/// When a subscription ends.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CancelAt {
    /// At once; what is left of the period is given up.
    Now,
    /// With the period that was paid.
    PeriodEnd,
}

/// Cancels the subscription.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/cancel", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = CancelRequest,
    responses(
        (status = 200, description = "Cancelled", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn cancel_subscription(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Incoming { request, body }: Incoming<CancelRequest>,
) -> Result<Response, Problem> {
    let end = match body.end {
        CancelAt::Now => End::Now,
        CancelAt::PeriodEnd => End::WithPeriod,
    };
    let outcome = state.commands().cancel_subscription(&request, id, end).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}

/// Has the subscription be renewed after all, before its end.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/withdraw-cancellation", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "It goes on", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn withdraw_cancellation(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().withdraw_cancellation(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}
