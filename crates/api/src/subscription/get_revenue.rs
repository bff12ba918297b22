//! `GET /v1/revenue`: monthly recurring revenue, churn, trials and dunning.

use axum::Json;
use baeum_projections::subscription::revenue::{self, Day, Standing};
use chrono::{Days, NaiveDate};
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

/// The longest span, in days.
const LONGEST: i64 = 3_660;

/// Which days.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevenueQuery {
    /// The first day (UTC); 30 days before the last if left out.
    from: Option<NaiveDate>,
    /// The last day; today if left out. At most ten years after the first.
    to: Option<NaiveDate>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// What became of recurring revenue, by currency.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevenueAnswer {
    from: NaiveDate,
    to: NaiveDate,
    currencies: Vec<RevenueOfCurrency>,
}

/// What became of recurring revenue in a currency. Amounts are in minor units.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevenueOfCurrency {
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: i32,
    /// Monthly recurring revenue when the first day began.
    mrr_before: i64,
    /// And when the last day ended.
    mrr_after: i64,
    /// Subscriptions that it was of when the first day began.
    subscribers_before: i64,
    /// And when the last day ended.
    subscribers_after: i64,
    /// What happened on all days together.
    sum: Movements,
    /// Churned revenue out of that before the first day; nothing where there was none.
    revenue_churn: Option<f64>,
    /// Subscriptions that ended out of those before the first day; nothing where there were none.
    subscriber_churn: Option<f64>,
    /// Trials that were converted out of those that were decided; nothing where none was.
    trial_conversion: Option<f64>,
    /// Dunnings that were recovered out of those that ended; nothing where none did.
    dunning_recovery: Option<f64>,
    /// Days on which anything happened, in order.
    days: Vec<RevenueDay>,
}

/// A day.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevenueDay {
    day: NaiveDate,
    /// Monthly recurring revenue when it ended.
    mrr: i64,
    #[serde(flatten)]
    movements: Movements,
}

/// What happened.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct Movements {
    /// Of subscriptions that were paid for the first time.
    new: i64,
    /// Of subscriptions that came back.
    reactivated: i64,
    /// Of those that cost more now, or were resumed.
    expansion: i64,
    /// Of those that cost less now, or were paused.
    contraction: i64,
    /// Of those that ended.
    churned: i64,
    /// How many subscriptions began to count.
    subscribers_new: i64,
    /// How many ended that counted.
    subscribers_lost: i64,
    trials_started: i64,
    trials_converted: i64,
    trials_lost: i64,
    dunning_entered: i64,
    dunning_recovered: i64,
    dunning_lost: i64,
}

impl From<&Day> for Movements {
    fn from(day: &Day) -> Self {
        Self {
            new: day.new,
            reactivated: day.reactivated,
            expansion: day.expansion,
            contraction: day.contraction,
            churned: day.churned,
            subscribers_new: day.subscribers_new,
            subscribers_lost: day.subscribers_lost,
            trials_started: day.trials_started,
            trials_converted: day.trials_converted,
            trials_lost: day.trials_lost,
            dunning_entered: day.dunning_entered,
            dunning_recovered: day.dunning_recovered,
            dunning_lost: day.dunning_lost,
        }
    }
}

impl Movements {
    fn net(&self) -> i64 {
        self.new + self.reactivated + self.expansion - self.contraction - self.churned
    }

    fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.reactivated += other.reactivated;
        self.expansion += other.expansion;
        self.contraction += other.contraction;
        self.churned += other.churned;
        self.subscribers_new += other.subscribers_new;
        self.subscribers_lost += other.subscribers_lost;
        self.trials_started += other.trials_started;
        self.trials_converted += other.trials_converted;
        self.trials_lost += other.trials_lost;
        self.dunning_entered += other.dunning_entered;
        self.dunning_recovered += other.dunning_recovered;
        self.dunning_lost += other.dunning_lost;
    }
}

/// Monthly recurring revenue and what became of it, of trials and of charges that failed, day by day: for auditors,
/// analysts and administrators. docs/subscriptions.md has the formulas.
#[utoipa::path(
    get, path = "/v1/revenue", tag = "subscription", security(("bearer" = [])), params(RevenueQuery),
    responses((status = 200, description = "The revenue", body = RevenueAnswer), QueryProblems)
)]
pub(crate) async fn get_revenue(
    state: TenantState,
    signed_in: SignedIn,
    Params(RevenueQuery { from, to, min_position }): Params<RevenueQuery>,
) -> Result<Json<RevenueAnswer>, Problem> {
    signed_in.must_have(BOOKKEEPERS)?;
    let wrong = || Problem::new("invalid-query", "from, to: give two days in order, at most ten years apart");
    let to = to.unwrap_or_else(|| state.clock().now().date_naive());
    let from = match from {
        Some(from) => from,
        None => to.checked_sub_days(Days::new(30)).ok_or_else(wrong)?,
    };
    let end = to.checked_add_days(Days::new(1)).ok_or_else(wrong)?;
    if !(1..=LONGEST).contains(&(end - from).num_days()) {
        return Err(wrong());
    }
    MinPosition { min_position }.wait(&state, &signed_in, "revenue").await?;
    let pool = state.log().pool();
    let before = revenue::standing(pool, &state.tenant, from).await?;
    let days = revenue::days(pool, &state.tenant, from, end).await?;
    let currencies = before.into_iter().map(|standing| of_currency(standing, &days)).collect();
    Ok(Json(RevenueAnswer { from, to, currencies }))
}

fn of_currency(before: Standing, days: &[Day]) -> RevenueOfCurrency {
    let Standing { currency, decimals, mrr, subscribers } = before;
    let (mut sum, mut after, mut shown) = (Movements::default(), mrr, vec![]);
    for day in days.iter().filter(|day| day.currency == currency && day.decimals == decimals) {
        let movements = Movements::from(day);
        sum.add(&movements);
        after += movements.net();
        shown.push(RevenueDay { day: day.day, mrr: after, movements });
    }
    RevenueOfCurrency {
        currency,
        decimals,
        mrr_before: mrr,
        mrr_after: after,
        subscribers_before: subscribers,
        subscribers_after: subscribers + sum.subscribers_new - sum.subscribers_lost,
        revenue_churn: ratio(sum.churned, mrr),
        subscriber_churn: ratio(sum.subscribers_lost, subscribers),
        trial_conversion: ratio(sum.trials_converted, sum.trials_converted + sum.trials_lost),
        dunning_recovery: ratio(sum.dunning_recovered, sum.dunning_recovered + sum.dunning_lost),
        sum,
        days: shown,
    }
}

/// A ratio is no amount: it may be a float.
#[allow(clippy::cast_precision_loss, reason = "a ratio to 15 digits is enough")]
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
