//! What plans, subscriptions and money look like on the wire.

use baeum_domain::{
    ids::PlanId,
    money::Money,
    subscription::{
        bill::{self, Bill, payment_id},
        coupon::{self, Issue},
        period, plan,
        subscription::Contract,
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::number::{GivenAmount, Quantity};
use crate::{problem::Problem, wire::mirror};

/// An amount of money.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Amount {
    /// Whole minor units: 990 for 9.90 USD, 12900 for 12900 KRW.
    minor: i64,
    /// ISO 4217 code.
    #[schema(example = "KRW")]
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: u8,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        let currency = money.currency();
        Self { minor: money.minor(), currency: currency.to_string(), decimals: currency.decimals() }
    }
}

mirror! {
    /// A calendar unit.
    #[serde(rename_all = "snake_case")]
    CalendarUnit = baeum_domain::subscription::period::Unit {
        /// Seven days.
        Week,
        /// A calendar month.
        Month,
        /// A calendar year.
        Year,
    }
}

mirror! {
    /// Where a subscription stands.
    #[serde(rename_all = "snake_case")]
    SubscriptionState = baeum_domain::subscription::subscription::Status {
        /// In its trial.
        Trialing,
        /// Going on, paid or with a bill whose charge has not failed.
        Active,
        /// A charge of the open bill failed.
        PastDue,
        /// Standing still, without service.
        Paused,
        /// Ended before its time was over.
        Cancelled,
        /// Ended when its time was over.
        Expired,
    }
}

mirror! {
    /// What a line of a bill is about.
    #[serde(rename_all = "snake_case")]
    BillItem = baeum_domain::subscription::bill::Item {
        /// A whole period of a plan.
        Period,
        /// What a coupon takes off.
        Discount,
        /// Time of the earlier plan that is not used.
        UnusedTime,
        /// Time of the new plan until the end of the period.
        RemainingTime,
        /// Usage credits.
        UsageCredits,
    }
}

/// How long a period is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanInterval {
    /// How many units.
    every: u8,
    /// Of what.
    unit: CalendarUnit,
}

impl From<period::Interval> for PlanInterval {
    fn from(interval: period::Interval) -> Self {
        Self { every: interval.every, unit: interval.unit.into() }
    }
}

/// How long a period is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenInterval {
    /// How many units, 1 to 12.
    every: Quantity,
    /// Of what.
    unit: CalendarUnit,
}

/// What a plan offers.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenOffer {
    /// How long a period is.
    interval: GivenInterval,
    /// The price of a period, one a currency.
    prices: Vec<GivenAmount>,
    /// Days of trial for who was never subscribed, 0 to 365.
    trial_days: Quantity,
    /// AI evaluations included in each period.
    evaluations: Quantity,
}

impl GivenOffer {
    /// The offer.
    ///
    /// # Errors
    /// Amounts and quantities out of range, unknown currencies.
    pub(crate) fn read(&self) -> Result<plan::Offer, Problem> {
        Ok(plan::Offer {
            interval: period::Interval {
                every: self.interval.every.read("interval.every", 1, 12)?,
                unit: self.interval.unit.into(),
            },
            prices: self.prices.iter().map(|price| price.read("prices")).collect::<Result<_, _>>()?,
            trial_days: self.trial_days.read("trial_days", 0, plan::MAX_TRIAL_DAYS.into())?,
            evaluations: self.evaluations.read("evaluations", 0, u32::MAX.into())?,
        })
    }
}

/// A plan, with the offer that stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanAnswer {
    /// Its name.
    plan_id: String,
    /// Which offer stands, from 1.
    offer: u32,
    /// How long a period is.
    interval: PlanInterval,
    /// The price of a period, one a currency.
    prices: Vec<Amount>,
    /// Days of trial for who was never subscribed.
    trial_days: u16,
    /// AI evaluations included in each period.
    evaluations: u32,
    /// Whether it takes no new subscribers.
    retired: bool,
}

impl PlanAnswer {
    /// A plan.
    pub(crate) fn of(plan_id: PlanId, number: u32, offer: plan::Offer, retired: bool) -> Self {
        Self {
            plan_id: plan_id.into(),
            offer: number,
            interval: offer.interval.into(),
            prices: offer.prices.into_iter().map(Into::into).collect(),
            trial_days: offer.trial_days,
            evaluations: offer.evaluations,
            retired,
        }
    }
}

impl From<plan::Listing> for PlanAnswer {
    fn from(listing: plan::Listing) -> Self {
        Self::of(listing.plan_id, listing.number, listing.offer, listing.retired)
    }
}

/// What a coupon takes off each period.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CouponDiscount {
    /// A share of the price in basis points: 2500 for a quarter.
    Share(u32),
    /// An amount, at most the price.
    Amount(Amount),
}

impl From<coupon::Discount> for CouponDiscount {
    fn from(discount: coupon::Discount) -> Self {
        match discount {
            coupon::Discount::Share(points) => Self::Share(points),
            coupon::Discount::Amount(amount) => Self::Amount(amount.into()),
        }
    }
}

/// A coupon.
#[derive(Serialize, ToSchema)]
pub(crate) struct CouponAnswer {
    /// What is typed in.
    code: String,
    /// What it takes off each period.
    discount: CouponDiscount,
    /// For how many billed periods; all where it is left out.
    periods: Option<u32>,
    /// How often it can be redeemed.
    limit: Option<u32>,
    /// Until when.
    until: Option<DateTime<Utc>>,
    /// How often it was redeemed.
    redeemed: usize,
    /// Whether nobody else can redeem it.
    withdrawn: bool,
}

impl From<Issue> for CouponAnswer {
    fn from(issue: Issue) -> Self {
        Self {
            code: issue.terms.code.into(),
            discount: issue.terms.discount.into(),
            periods: issue.terms.periods,
            limit: issue.limit,
            until: issue.until,
            redeemed: issue.redeemed.len(),
            withdrawn: issue.withdrawn,
        }
    }
}

/// What a subscriber agreed to.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgreedTerms {
    /// The plan.
    plan_id: String,
    /// Which offer of it.
    offer: u32,
    /// How long a period is.
    interval: PlanInterval,
    /// The price of a period.
    price: Amount,
    /// AI evaluations included in each period.
    evaluations: u32,
}

impl From<plan::PlanTerms> for AgreedTerms {
    fn from(terms: plan::PlanTerms) -> Self {
        Self {
            plan_id: terms.plan_id.into(),
            offer: terms.offer,
            interval: terms.interval.into(),
            price: terms.price.into(),
            evaluations: terms.evaluations,
        }
    }
}

/// A period of a subscription.
#[derive(Serialize, ToSchema)]
pub(crate) struct BillingPeriod {
    /// 0 for a trial; paid periods count from 1.
    number: u32,
    /// When it begins.
    starts_at: DateTime<Utc>,
    /// When it ends: the first moment of the next one.
    ends_at: DateTime<Utc>,
    /// Seconds between the two for which the subscription was paused.
    paused_seconds: u64,
}

impl From<period::Period> for BillingPeriod {
    fn from(period: period::Period) -> Self {
        let period::Period { number, starts_at, ends_at, paused_seconds, .. } = period;
        Self { number, starts_at, ends_at, paused_seconds }
    }
}

/// A bill that waits for its payment.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenBill {
    /// Its invoice.
    invoice_id: Uuid,
    /// The payment of that.
    payment_id: Uuid,
    /// From when on it is to be paid.
    due_at: DateTime<Utc>,
    /// What is to be paid.
    total: Amount,
    /// Attempts to charge it that failed.
    failed_attempts: u32,
}

/// The coupon of a subscription.
#[derive(Serialize, ToSchema)]
pub(crate) struct CouponInUse {
    code: String,
    discount: CouponDiscount,
    /// For how many billed periods to come; all where it is left out.
    periods_left: Option<u32>,
}

/// A subscription.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionAnswer {
    /// The subscription.
    subscription_id: Uuid,
    /// Whose.
    subscriber: Uuid,
    /// Where it stands.
    state: SubscriptionState,
    /// What was agreed to.
    plan: AgreedTerms,
    /// Whether it goes on after the period.
    renews: bool,
    /// The present period, or the last one.
    period: BillingPeriod,
    /// Until when there is service as it stands now; nothing where there is none.
    service_until: Option<DateTime<Utc>>,
    /// What the subscriber has too much: used before money is asked for.
    account_credit: Amount,
    /// The bill that waits for its payment. Nothing else is billed before.
    open_bill: Option<OpenBill>,
    /// The coupon for billed periods to come.
    coupon: Option<CouponInUse>,
    /// When the pause began.
    paused_at: Option<DateTime<Utc>>,
    /// Whose calendar the periods follow (IANA).
    time_zone: String,
    /// The subscription that took its place.
    replaced_by: Option<Uuid>,
}

impl From<Contract> for SubscriptionAnswer {
    fn from(contract: Contract) -> Self {
        let service_until = contract.service_until();
        Self {
            subscription_id: contract.subscription_id.0,
            subscriber: contract.subscriber.0,
            state: contract.status.into(),
            plan: contract.terms.into(),
            renews: contract.renews,
            period: contract.period.into(),
            service_until,
            account_credit: contract.account_credit.into(),
            open_bill: contract.open.map(|open| OpenBill {
                invoice_id: open.invoice_id.0,
                payment_id: payment_id(open.invoice_id).0,
                due_at: open.due_at,
                total: open.total.into(),
                failed_attempts: open.failed,
            }),
            coupon: contract.coupon.map(|coupon| CouponInUse {
                code: coupon.code.into(),
                discount: coupon.discount.into(),
                periods_left: coupon.periods,
            }),
            paused_at: contract.paused_at,
            time_zone: contract.time_zone.into(),
            replaced_by: contract.replaced_by.map(|it| it.0),
        }
    }
}

/// A line of a bill.
#[derive(Serialize, ToSchema)]
pub(crate) struct BillLine {
    /// What it is about.
    item: BillItem,
    /// What it costs; negative for what is taken off.
    amount: Amount,
    /// From when the service is, where it is about time.
    from: Option<DateTime<Utc>>,
    /// Until when.
    until: Option<DateTime<Utc>>,
}

impl From<bill::Line> for BillLine {
    fn from(line: bill::Line) -> Self {
        Self { item: line.item.into(), amount: line.amount.into(), from: line.from, until: line.until }
    }
}

/// What something is billed for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum BillPurpose {
    /// A period of a subscription.
    Period {
        subscription_id: Uuid,
        /// The period, from 1.
        number: u32,
    },
    /// A change of plan within a period.
    Change {
        subscription_id: Uuid,
        /// Which change, from 1.
        number: u32,
    },
    /// Usage credits.
    Credits { purchase_id: Uuid },
}

impl From<bill::Purpose> for BillPurpose {
    fn from(purpose: bill::Purpose) -> Self {
        match purpose {
            bill::Purpose::Period { subscription_id, number } => {
                Self::Period { subscription_id: subscription_id.0, number }
            }
            bill::Purpose::Change { subscription_id, number } => {
                Self::Change { subscription_id: subscription_id.0, number }
            }
            bill::Purpose::Credits { purchase_id, .. } => Self::Credits { purchase_id: purchase_id.0 },
        }
    }
}

/// What is to be paid, line by line.
#[derive(Serialize, ToSchema)]
pub(crate) struct BillAnswer {
    /// What it is for.
    purpose: BillPurpose,
    /// From when on it is to be paid.
    due_at: DateTime<Utc>,
    lines: Vec<BillLine>,
    /// What was taken from the account credit.
    credit_applied: Amount,
    /// What went to the account credit.
    credit_added: Amount,
    /// What is left to pay.
    total: Amount,
}

impl From<Bill> for BillAnswer {
    fn from(bill: Bill) -> Self {
        Self {
            purpose: bill.purpose.into(),
            due_at: bill.due_at,
            lines: bill.lines.into_iter().map(Into::into).collect(),
            credit_applied: bill.credit_applied.into(),
            credit_added: bill.credit_added.into(),
            total: bill.total.into(),
        }
    }
}
