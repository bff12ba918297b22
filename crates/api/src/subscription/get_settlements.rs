//! `GET /v1/settlements`: what partners get of each month.

use axum::Json;
use baeum_projections::subscription::settlement::{self, Month, ReportError};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{BOOKKEEPERS, wire::Amount};
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Which months.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SettlementsQuery {
    /// Months that begin on this day or later.
    from: Option<NaiveDate>,
    /// Months that begin before this day.
    to: Option<NaiveDate>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Settled months, in order of currency and time.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettlementsAnswer {
    settlements: Vec<SettlementAnswer>,
}

/// What is shared of a month (UTC) in a currency. The present month goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettlementAnswer {
    /// Its first day.
    month: NaiveDate,
    /// What charges took.
    paid: Amount,
    /// What was given back of any of them in this month.
    refunded: Amount,
    /// What the month before left to take off, not positive.
    brought: Amount,
    /// What is shared: paid less refunded less what was brought, or nothing.
    base: Amount,
    /// What each partner gets.
    partners: Vec<PartnerShare>,
    /// What is left to the platform.
    platform: Amount,
    /// What the next month has to take off, not positive.
    carried: Amount,
}

/// What a partner gets.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerShare {
    partner: String,
    amount: Amount,
}

impl From<Month> for SettlementAnswer {
    fn from(month: Month) -> Self {
        let share = |(partner, amount): (baeum_domain::ids::PartnerId, baeum_domain::money::Money)| PartnerShare {
            partner: partner.into(),
            amount: amount.into(),
        };
        Self {
            month: month.month,
            paid: month.paid.into(),
            refunded: month.refunded.into(),
            brought: month.brought.into(),
            base: month.settlement.base.into(),
            partners: month.settlement.partners.into_iter().map(share).collect(),
            platform: month.settlement.platform.into(),
            carried: month.settlement.carried.into(),
        }
    }
}

/// What partners get of each month, refunds deducted, by the shares that are configured now: for auditors, analysts and
/// administrators.
#[utoipa::path(
    get, path = "/v1/settlements", tag = "subscription", security(("bearer" = [])), params(SettlementsQuery),
    responses((status = 200, description = "The settlements", body = SettlementsAnswer), QueryProblems)
)]
pub(crate) async fn get_settlements(
    state: TenantState,
    signed_in: SignedIn,
    Params(SettlementsQuery { from, to, min_position }): Params<SettlementsQuery>,
) -> Result<Json<SettlementsAnswer>, Problem> {
    signed_in.must_have(BOOKKEEPERS)?;
    MinPosition { min_position }.wait(&state, &signed_in, "settlement").await?;
    let shares = &state.commands().billing().shares;
    let months = settlement::report(state.log().pool(), &state.tenant, shares).await.map_err(|error| match error {
        ReportError::Database(error) => Problem::from(error),
        error @ (ReportError::Settlement(_) | ReportError::Json(_)) => {
            tracing::error!(%error, "there is no settlement");
            Problem::plain("internal")
        }
    })?;
    let wanted = |it: &Month| from.is_none_or(|from| it.month >= from) && to.is_none_or(|to| it.month < to);
    let settlements = months.into_iter().filter(wanted).map(Into::into).collect();
    Ok(Json(SettlementsAnswer { settlements }))
}
