//! `POST /v1/subscriptions`: subscribing.

use axum::response::Response;
use baeum_commands::subscription::start::Subscribe;
use baeum_domain::ids::{CouponCode, PlanId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{number::currency, wire::SubscriptionAnswer};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// What to subscribe to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscribeRequest {
    /// The plan.
    #[schema(value_type = String)]
    plan_id: PlanId,
    /// In which currency it is paid: one of the plan's (ISO 4217).
    #[schema(example = "KRW")]
    currency: String,
    /// A coupon to use from the first billed period on.
    #[schema(value_type = Option<String>)]
    coupon: Option<CouponCode>,
    /// Whether the plan's trial comes first, for who never had a subscription; it does if left out.
    trial: Option<bool>,
}

/// Subscribes the caller to a plan. One subscription of a person runs at a time. After the trial, or at once where there is
/// none, it is paid first: the open bill says what.
#[utoipa::path(
    post, path = "/v1/subscriptions", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = SubscribeRequest,
    responses(
        (status = 201, description = "Subscribed", body = Positioned<SubscriptionAnswer>,
         headers(("Location" = String), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn start_subscription(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<SubscribeRequest>,
) -> Result<Response, Problem> {
    let SubscribeRequest { plan_id, currency: code, coupon, trial } = body;
    let wish = Subscribe { plan_id, currency: currency(&code, "currency")?, coupon, trial: trial.unwrap_or(true) };
    let outcome = state.commands().start_subscription(&request, &wish).await?;
    let location = format!("/v1/subscriptions/{}", outcome.answer.subscription_id);
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), SubscriptionAnswer::from))
}
