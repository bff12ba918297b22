//! `POST /v1/coupons/{code}/withdraw`: letting nobody else redeem a coupon, by administrators.

use axum::response::Response;
use baeum_domain::ids::CouponCode;

use super::wire::CouponAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// Has nobody else redeem a coupon: for administrators. Who has it keeps it.
#[utoipa::path(
    post, path = "/v1/coupons/{code}/withdraw", tag = "subscription", security(("bearer" = [])),
    params(("code" = String, Path, description = "What is typed in"), CommandHeaders),
    responses(
        (status = 200, description = "Withdrawn", body = Positioned<CouponAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn withdraw_coupon(
    state: TenantState,
    _signed_in: SignedIn,
    Id(code): Id<CouponCode>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().withdraw_coupon(&request, &code).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, CouponAnswer::from))
}
