//! `GET /v1/credits`: the usage credits of a person.

use axum::response::Response;
use baeum_domain::{
    Decider as _,
    ids::UserId,
    subscription::credits::{self, CreditBalance},
};
use baeum_projections::{
    history::Whose,
    subscription::credits::{self as view, Credits},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::Amount;
use crate::{
    as_of::When, caller::SignedIn, conditional::versioned, docs::QueryProblems, min_position::Params, problem::Problem,
    tenants::TenantState, wire::mirror,
};

mirror! {
    /// How far a purchase of credits is.
    #[serde(rename_all = "snake_case")]
    PurchaseState = baeum_projections::subscription::credits::PurchaseState {
        /// It waits for its payment.
        Billed,
        /// It was paid; the credits are there.
        Added,
        /// It was not paid.
        Dropped,
        /// The credits were taken back, for a refund.
        TakenBack,
    }
}

/// Whose credits.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreditsQuery {
    /// Whose: the caller's own if left out; of others for analysts and administrators.
    subscriber: Option<Uuid>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
    /// Answer as of a moment of the past: a position of the log, or a time with its zone (RFC 3339). The header
    /// `Baeum-As-Of` tells the position that it is of.
    #[param(example = "2026-03-01T12:00:00Z")]
    as_of: Option<String>,
}

/// The usage credits of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreditsAnswer {
    /// Whose.
    subscriber: Uuid,
    /// Bought and not used.
    balance: u32,
    /// Evaluations included in the plan, where they are counted now.
    allowance: Option<Allowance>,
    /// What one credit costs, a price a currency; they are sold in no other.
    prices: Vec<Amount>,
    /// The latest 100 purchases, the latest first.
    purchases: Vec<CreditPurchase>,
}

/// Included evaluations. Each takes one of them first, then of the balance.
#[derive(Serialize, ToSchema)]
pub(crate) struct Allowance {
    /// How many.
    units: u32,
    /// Of them used.
    used: u32,
    /// From when on.
    from: DateTime<Utc>,
    /// Until when. What is not used by then is gone.
    until: DateTime<Utc>,
}

/// A purchase of credits.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreditPurchase {
    purchase_id: Uuid,
    /// How many.
    units: u32,
    /// What they cost.
    total: Amount,
    /// The invoice.
    invoice_id: Uuid,
    state: PurchaseState,
    billed_at: DateTime<Utc>,
}

/// The usage credits of a person: what the plan includes, what was bought, and what is left.
#[utoipa::path(
    get, path = "/v1/credits", tag = "subscription", security(("bearer" = [])), params(CreditsQuery),
    responses(
        (status = 200, description = "The credits", body = CreditsAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_credits(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<CreditsQuery>,
) -> Result<Response, Problem> {
    let CreditsQuery { subscriber, min_position, as_of } = query;
    let subscriber = subscriber.map_or(signed_in.caller.user_id, UserId);
    signed_in.may_read(&state, subscriber, "user-not-found").await?;
    let whose = Whose::Stream(CreditBalance::AGGREGATE, credits::id_of(subscriber));
    let mut models = When { min_position, as_of }.open(&state, &signed_in, &["credits"], whose).await?;
    let row = view::find(models.view().db(), subscriber).await?;
    let shown = models.close().await;
    let now = shown.now(state.clock());
    let version = row.as_ref().map_or(0, |row| row.version);
    let allowance = row.as_ref().and_then(|row| allowance(row, now));
    let purchases = row.iter().flat_map(|row| &row.purchases).map(|it| CreditPurchase {
        purchase_id: it.purchase_id.0,
        units: it.units,
        total: it.total.into(),
        invoice_id: it.invoice_id.0,
        state: it.state.into(),
        billed_at: it.billed_at,
    });
    let answer = CreditsAnswer {
        subscriber: subscriber.0,
        balance: row.as_ref().map_or(0, |row| row.balance),
        allowance,
        prices: state.commands().billing().credit_prices.iter().copied().map(Into::into).collect(),
        purchases: purchases.collect(),
    };
    Ok(shown.answer(versioned(version, answer)))
}

/// The allowance that stands at this moment.
fn allowance(row: &Credits, now: DateTime<Utc>) -> Option<Allowance> {
    let (units, used) = (row.allowance_units?, row.allowance_used?);
    let (from, until) = (row.allowance_from?, row.allowance_until?);
    (from <= now && now < until).then_some(Allowance { units, used, from, until })
}
