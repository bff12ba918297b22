//! `GET /v1/ledger`: the accounts, and whether they come to zero.

use std::collections::BTreeMap;

use axum::Json;
use baeum_projections::subscription::ledger;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::BOOKKEEPERS;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Of which moment.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LedgerQuery {
    /// After the event at this position of the log; after the latest that moved anything if left out.
    #[param(minimum = 0)]
    position: Option<i64>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// The trial balance: every account with its debits and credits, and the proof that they come to zero.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerAnswer {
    /// After the event at this position.
    position: i64,
    /// The accounts, in order of currency and name.
    accounts: Vec<LedgerAccount>,
    /// What all accounts come to in each currency: 0.
    totals: Vec<LedgerTotal>,
    /// Whether the entries were added up anew, and the books come to zero in every currency after every event up to here.
    balanced: bool,
    /// The first 100 positions at which they do not.
    imbalances: Vec<LedgerImbalance>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerAccount {
    /// `receivable`, `gateway`, `account_credit`, `surplus`, `revenue`, `discounts`, `refunds`.
    account: String,
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: i32,
    /// All debits, in minor units.
    #[schema(value_type = i64)]
    debits: i128,
    /// All credits.
    #[schema(value_type = i64)]
    credits: i128,
    /// Debits less credits.
    #[schema(value_type = i64)]
    balance: i128,
}

/// What all accounts come to in a currency.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerTotal {
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: i32,
    /// Debits less credits of all accounts, in minor units.
    #[schema(value_type = i64)]
    balance: i128,
}

/// A position at which the books do not come to zero.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerImbalance {
    position: i64,
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: i32,
    /// All debits less all credits up to there, in minor units.
    #[schema(value_type = i64)]
    off: i128,
}

/// The trial balance after any event of the log, with its proof: for auditors, analysts and administrators.
#[utoipa::path(
    get, path = "/v1/ledger", tag = "subscription", security(("bearer" = [])), params(LedgerQuery),
    responses((status = 200, description = "The accounts", body = LedgerAnswer), QueryProblems)
)]
pub(crate) async fn get_ledger(
    state: TenantState,
    signed_in: SignedIn,
    Params(LedgerQuery { position, min_position }): Params<LedgerQuery>,
) -> Result<Json<LedgerAnswer>, Problem> {
    signed_in.must_have(BOOKKEEPERS)?;
    let asked = position.map(|it| state.position("position", it)).transpose()?;
    MinPosition { min_position: asked.max(min_position) }.wait(&state, &signed_in, "ledger").await?;
    let pool = state.log().pool();
    let accounts = ledger::accounts(pool, &state.tenant, asked).await?;
    // What stands now is read at one moment: as far as the last entry of any account.
    let latest = accounts.iter().map(|it| it.position).max();
    let position = asked.or(latest).unwrap_or(state.position("position", 0)?);
    let imbalances = ledger::imbalances(pool, &state.tenant, position).await?;
    let mut totals = BTreeMap::<_, i128>::new();
    for account in &accounts {
        *totals.entry((account.currency.clone(), account.decimals)).or_default() += account.debits - account.credits;
    }
    let total = |((currency, decimals), balance)| LedgerTotal { currency, decimals, balance };
    let account = |it: ledger::Balance| LedgerAccount {
        balance: it.debits - it.credits,
        account: it.account,
        currency: it.currency,
        decimals: it.decimals,
        debits: it.debits,
        credits: it.credits,
    };
    let imbalance = |it: ledger::Imbalance| LedgerImbalance {
        position: it.position,
        currency: it.currency,
        decimals: it.decimals,
        off: it.off,
    };
    Ok(Json(LedgerAnswer {
        position,
        accounts: accounts.into_iter().map(account).collect(),
        totals: totals.into_iter().map(total).collect(),
        balanced: imbalances.is_empty(),
        imbalances: imbalances.into_iter().map(imbalance).collect(),
    }))
}
