//! `POST /v1/subscriptions/{id}/coupon`: using a coupon.

use axum::response::Response;
use baeum_domain::ids::{CouponCode, SubscriptionId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::SubscriptionAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Which coupon.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CouponRequest {
    /// What is typed in.
    #[schema(value_type = String)]
    code: CouponCode,
}

/// Uses a coupon from the next billed period on.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/coupon", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = CouponRequest,
    responses(
        (status = 200, description = "Applied", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn apply_coupon(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Incoming { request, body }: Incoming<CouponRequest>,
) -> Result<Response, Problem> {
    let outcome = state.commands().apply_coupon(&request, id, &body.code).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}
