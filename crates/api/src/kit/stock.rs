//! `/v1/stock`: what is on the shelf, for administrators.

use axum::{Json, response::Response};
use baeum_commands::kit::warehouse::{Level, Quantity};
use baeum_domain::{identity::user::Role, ids::SkuId};
use baeum_projections::kit::stock;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered, versioned},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Who looks at stock.
const READERS: &[Role] = &[Role::Admin, Role::Analyst];

/// Which stock.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StockQuery {
    /// Only what is low or has run out.
    #[serde(default)]
    low: bool,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Stock by SKU.
#[derive(Serialize, ToSchema)]
pub(crate) struct StockAnswer {
    stock: Vec<SkuStock>,
}

/// The stock of a SKU, in units.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkuStock {
    sku: String,
    on_hand: i64,
    /// Of them set aside for kits.
    reserved: i64,
    /// Of them free.
    available: i64,
    /// From how few available units on it is low; 0 for never.
    threshold: i64,
    low: bool,
    ran_out: bool,
    /// Units that ever came in.
    received: i64,
    /// Units that left for kits.
    committed: i64,
    /// Of them came back.
    returned: i64,
    /// Units that were wanted and not there.
    declined: i64,
    /// Units that counts found missing, less those that they found too many.
    lost: i64,
    changed_at: DateTime<Utc>,
}

impl From<stock::Stock> for SkuStock {
    fn from(row: stock::Stock) -> Self {
        Self {
            sku: row.sku.into(),
            on_hand: row.on_hand,
            reserved: row.reserved,
            available: row.on_hand - row.reserved,
            threshold: row.threshold,
            low: row.low,
            ran_out: row.ran_out,
            received: row.received,
            committed: row.committed,
            returned: row.returned,
            declined: row.declined,
            lost: row.lost,
            changed_at: row.changed_at,
        }
    }
}

/// Where the stock of a SKU stands after a command, in units.
#[derive(Serialize, ToSchema)]
pub(crate) struct StockLevel {
    sku: String,
    on_hand: u32,
    /// Of them set aside for kits.
    reserved: u32,
    /// Of them free.
    available: u32,
}

fn level(Level { sku, on_hand, reserved, available }: Level) -> StockLevel {
    StockLevel { sku: sku.into(), on_hand, reserved, available }
}

/// A delivery: units, or grams of bulk that make whole units.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    /// How many units.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000_000)]
    units: Option<u32>,
    /// How many grams, of a SKU that is portioned.
    #[serde(default)]
    #[schema(minimum = 1)]
    grams: Option<u64>,
}

/// A count.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    /// How many units there are.
    #[schema(maximum = 10_000_000)]
    found: u32,
}

/// From when on stock is low.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    /// From so few available units on; 0 for never.
    #[schema(maximum = 10_000_000)]
    units: u32,
}

/// The stock of every SKU. For administrators and analysts.
#[utoipa::path(
    get, path = "/v1/stock", tag = "kit", security(("bearer" = [])), params(StockQuery),
    responses((status = 200, description = "The stock", body = StockAnswer), QueryProblems)
)]
pub(crate) async fn list_stock(
    state: TenantState,
    signed_in: SignedIn,
    Params(StockQuery { low, min_position }): Params<StockQuery>,
) -> Result<Json<StockAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    MinPosition { min_position }.wait(&state, &signed_in, "stock").await?;
    let rows = stock::list(state.log().pool(), &state.tenant, low).await?;
    Ok(Json(StockAnswer { stock: rows.into_iter().map(Into::into).collect() }))
}

/// The stock of a SKU. For administrators and analysts.
#[utoipa::path(
    get, path = "/v1/stock/{id}", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), MinPosition),
    responses(
        (status = 200, description = "The stock", body = SkuStock, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_stock(
    state: TenantState,
    signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Params(min_position): Params<MinPosition>,
) -> Result<Response, Problem> {
    signed_in.must_have(READERS)?;
    min_position.wait(&state, &signed_in, "stock").await?;
    let row = stock::find(state.log().pool(), &state.tenant, &sku).await?;
    let row = row.ok_or_else(|| Problem::plain("stock-not-found"))?;
    Ok(versioned(row.version, SkuStock::from(row)))
}

/// Takes a delivery in. Send it with an Idempotency-Key, so that a repeated request is not a second delivery.
#[utoipa::path(
    post, path = "/v1/stock/{id}/deliveries", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), CommandHeaders), request_body = Delivery,
    responses(
        (status = 200, description = "The stock as it now is", body = Positioned<StockLevel>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn receive(
    state: TenantState,
    _signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Incoming { request, body }: Incoming<Delivery>,
) -> Result<Response, Problem> {
    let quantity = match (body.units, body.grams) {
        (Some(units), None) => Quantity::Units(units),
        (None, Some(grams)) => Quantity::Grams(grams),
        _ => return Err(Problem::new("invalid-body", "give either units or grams").with("field", "units")),
    };
    let outcome = state.commands().receive_stock(&request, sku, quantity).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, level))
}

/// Records a count. Where it finds fewer units than are set aside, the latest reservations are released.
#[utoipa::path(
    post, path = "/v1/stock/{id}/counts", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), CommandHeaders), request_body = Count,
    responses(
        (status = 200, description = "The stock as it now is", body = Positioned<StockLevel>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn count(
    state: TenantState,
    _signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Incoming { request, body }: Incoming<Count>,
) -> Result<Response, Problem> {
    let outcome = state.commands().count_stock(&request, sku, body.found).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, level))
}

/// Says from how few available units on stock is low.
#[utoipa::path(
    put, path = "/v1/stock/{id}/threshold", tag = "kit", security(("bearer" = [])),
    params(("id" = String, Path, description = "The SKU"), CommandHeaders), request_body = Threshold,
    responses(
        (status = 200, description = "The stock as it now is", body = Positioned<StockLevel>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn set_threshold(
    state: TenantState,
    _signed_in: SignedIn,
    Id(sku): Id<SkuId>,
    Incoming { request, body }: Incoming<Threshold>,
) -> Result<Response, Problem> {
    let outcome = state.commands().set_stock_threshold(&request, sku, body.units).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, level))
}
