//! `POST /v1/coupons` and `GET /v1/coupons/{code}`: creating coupons and looking at them, by administrators.

use axum::response::Response;
use baeum_domain::{
    ids::CouponCode,
    money::BASIS_POINTS,
    subscription::coupon::{CouponTerms, Discount},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    number::{GivenAmount, Quantity},
    wire::CouponAnswer,
};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered, versioned},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A new coupon.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateCouponRequest {
    /// What is typed in: 1 to 64 lower-case letters, digits, `-` and `_`.
    #[schema(value_type = String)]
    code: CouponCode,
    /// What it takes off each period.
    discount: GivenDiscount,
    /// For how many billed periods, at least 1; all if left out.
    periods: Option<Quantity>,
    /// How often it can be redeemed, at least once; without limit if left out.
    limit: Option<Quantity>,
    /// Until when it can be redeemed; for ever if left out.
    until: Option<DateTime<Utc>>,
}

/// What a coupon is to take off each period.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GivenDiscount {
    /// A share of the price in basis points, 1 to 10000: 2500 for a quarter.
    Share(Quantity),
    /// An amount, more than nothing.
    Amount(GivenAmount),
}

/// Creates a coupon: for administrators.
#[utoipa::path(
    post, path = "/v1/coupons", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = CreateCouponRequest,
    responses(
        (status = 201, description = "Created", body = Positioned<CouponAnswer>,
         headers(("Location" = String), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn create_coupon(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<CreateCouponRequest>,
) -> Result<Response, Problem> {
    let CreateCouponRequest { code, discount, periods, limit, until } = body;
    let discount = match discount {
        GivenDiscount::Share(points) => Discount::Share(points.read("discount.share", 1, BASIS_POINTS.into())?),
        GivenDiscount::Amount(amount) => Discount::Amount(amount.read("discount.amount")?),
    };
    let count = |given: Option<Quantity>, field| given.map(|it| it.read(field, 1, u32::MAX.into())).transpose();
    let (periods, limit) = (count(periods, "periods")?, count(limit, "limit")?);
    let location = format!("/v1/coupons/{code}");
    let terms = CouponTerms { code, discount, periods };
    let outcome = state.commands().create_coupon(&request, terms, limit, until).await?;
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), CouponAnswer::from))
}

/// A coupon as it stands in the log at this moment: for administrators.
#[utoipa::path(
    get, path = "/v1/coupons/{code}", tag = "subscription", security(("bearer" = [])),
    params(("code" = String, Path, description = "What is typed in")),
    responses(
        (status = 200, description = "The coupon", body = CouponAnswer, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_coupon(
    state: TenantState,
    signed_in: SignedIn,
    Id(code): Id<CouponCode>,
) -> Result<Response, Problem> {
    let (issue, version) = state.commands().coupon(&signed_in.caller, &code).await?;
    Ok(versioned(version, CouponAnswer::from(issue)))
}
