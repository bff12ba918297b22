//! `POST /v1/credits/purchases`: buying usage credits.

use axum::response::Response;
use baeum_commands::subscription::buy_credits::Bought;
use baeum_domain::subscription::credits::MAX_UNITS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    number::{Quantity, currency},
    wire::Amount,
};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
};

/// What to buy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuyRequest {
    /// How many credits, 1 to 1000000.
    units: Quantity,
    /// In which currency (ISO 4217): one of the prices of `GET /v1/credits`.
    #[schema(example = "KRW")]
    currency: String,
}

/// A purchase: the credits are there once its invoice is paid.
#[derive(Serialize, ToSchema)]
pub(crate) struct BoughtAnswer {
    purchase_id: Uuid,
    /// How many credits.
    units: u32,
    /// What is to be paid.
    total: Amount,
    /// The invoice that it becomes.
    invoice_id: Uuid,
    /// The payment of that.
    payment_id: Uuid,
}

impl From<Bought> for BoughtAnswer {
    fn from(bought: Bought) -> Self {
        Self {
            purchase_id: bought.purchase_id.0,
            units: bought.units,
            total: bought.total.into(),
            invoice_id: bought.invoice_id.0,
            payment_id: bought.payment_id.0,
        }
    }
}

/// Buys usage credits, each of which pays for an AI evaluation beyond the plan's.
#[utoipa::path(
    post, path = "/v1/credits/purchases", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = BuyRequest,
    responses(
        (status = 201, description = "Billed", body = Positioned<BoughtAnswer>,
         headers(("Location" = String, description = "The credits"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn buy_credits(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<BuyRequest>,
) -> Result<Response, Problem> {
    let units = body.units.read("units", 1, MAX_UNITS.into())?;
    let currency = currency(&body.currency, "currency")?;
    let outcome = state.commands().buy_credits(&request, units, currency).await?;
    Ok(answered(&state, request.caller.user_id, outcome, Some("/v1/credits".to_owned()), BoughtAnswer::from))
}
