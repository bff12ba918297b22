//! `GET /v1/ledger/entries`: what each event moved.

use axum::Json;
use baeum_projections::subscription::ledger::{self, EntryFilter};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::BOOKKEEPERS;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesQuery {
    /// Of this account only.
    account: Option<String>,
    /// Of this invoice, payment or refund only.
    about: Option<Uuid>,
    /// Entries after those of this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// And after this entry of it: with the `number` of the last one, a page goes on within an event.
    #[param(minimum = 0)]
    after_number: Option<i32>,
    /// How many at most, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Entries, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntriesAnswer {
    /// Go on with `after` and `after_number` = position and number of the last one.
    entries: Vec<LedgerEntry>,
}

/// An entry of the ledger.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerEntry {
    /// Position of its event.
    position: i64,
    /// Which entry of that event, from 1.
    number: i32,
    /// What the event is about: `invoice`, `payment` or `refund`.
    about: String,
    /// Its id.
    about_id: String,
    /// The event.
    event_type: String,
    /// The account.
    account: String,
    /// `debit` or `credit`.
    side: String,
    /// How much, in minor units.
    minor: i64,
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: i32,
    /// When it was recorded.
    at: DateTime<Utc>,
}

/// What each event moved between accounts: for auditors, analysts and administrators.
#[utoipa::path(
    get, path = "/v1/ledger/entries", tag = "subscription", security(("bearer" = [])), params(EntriesQuery),
    responses((status = 200, description = "The entries", body = EntriesAnswer), QueryProblems)
)]
pub(crate) async fn list_ledger_entries(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<EntriesQuery>,
) -> Result<Json<EntriesAnswer>, Problem> {
    signed_in.must_have(BOOKKEEPERS)?;
    let EntriesQuery { account, about, after, after_number, limit, min_position } = query;
    let (after, limit) = (state.position("after", after.unwrap_or(0))?, limit.unwrap_or(100));
    if !(1..=1000).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 1000"));
    }
    if account.as_ref().is_some_and(|it| it.len() > 100 || it.chars().any(char::is_control)) {
        return Err(Problem::new("invalid-query", "account: give the name of an account of GET /v1/ledger"));
    }
    MinPosition { min_position }.wait(&state, &signed_in, "ledger").await?;
    let (pool, after) = (state.log().pool(), (after, after_number.unwrap_or(i32::MAX)));
    let found = ledger::entries(pool, &state.tenant, &EntryFilter { account, about }, after, limit).await?;
    let entries = found.into_iter().map(|it| LedgerEntry {
        position: it.position,
        number: it.number,
        about: it.aggregate_type,
        about_id: it.aggregate_id,
        event_type: it.event_type,
        account: it.account,
        side: it.side,
        minor: it.minor,
        currency: it.currency,
        decimals: it.decimals,
        at: it.at,
    });
    Ok(Json(EntriesAnswer { entries: entries.collect() }))
}
