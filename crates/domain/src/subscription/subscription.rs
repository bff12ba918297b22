//! A subscription of one subscriber to one plan: it alone decides what is to be paid, and whether there is service.
//!
//! Life cycle: started (`trialing` or `active`), renewed period by period; `past_due` while a charge has failed;
//! `paused` and resumed; `cancelled` before its time was over, or `expired` when it was over; reactivated after either.
//!
//! Invariants:
//! - Periods are numbered from 1 and each is billed once: number and purpose of a bill name its invoice.
//! - At most one bill is open. Nothing more is billed, renewed, changed or paused until it is paid or voided.
//! - There is service for the trial, for what was paid, and then unpaid until the dunning counted from there would end,
//!   never longer: [`Contract::service_until`] needs no timer to be on time. Who starts or comes back pays first.
//! - A pause costs no paid second, and a renewal that comes after service ended bills no past time.
//! - What a plan change gives back stays as account credit, which is never negative.
//! - One that was replaced by another of its subscriber never comes back: so nobody has two that run.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    bill::Bill,
    coupon::{CouponTerms, Discount},
    dunning::Dunning,
    period::Period,
    plan::PlanTerms,
    proration::Proration,
};
use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::TimeZone,
    ids::{CouponCode, InvoiceId, PlanId, SubscriptionId, UserId, derive_id},
    money::{Currency, Money, MoneyError},
};

mod rules;

/// For how long a shown price can be confirmed, in minutes.
pub const PREVIEW_MINUTES: i64 = 15;

/// The id of a subscriber's first, second … subscription (`number` from 1).
pub fn id_of(subscriber: UserId, number: u32) -> SubscriptionId {
    SubscriptionId(derive_id(&["subscription", &subscriber.to_string(), &number.to_string()]))
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
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

/// Why a subscription was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was asked for.
    Requested,
    /// The dunning ended without payment.
    Unpaid,
}

/// What can have happened to a subscription.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "events are read once and matched at once")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Someone subscribed.
    SubscriptionStarted {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Who subscribed.
        subscriber: UserId,
        /// What was agreed to.
        terms: PlanTerms,
        /// Whose calendar the periods follow.
        time_zone: TimeZone,
        /// When charges are tried again.
        dunning: Dunning,
        /// A coupon that was redeemed for it.
        coupon: Option<CouponTerms>,
        /// The trial (number 0) or the first period.
        period: Period,
        /// What is to be paid for it; nothing in a trial.
        bill: Option<Bill>,
        /// What was taken off.
        discount: Option<Discount>,
    },
    /// The next period began.
    SubscriptionRenewed {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// That period.
        period: Period,
        /// What is to be paid for it.
        bill: Bill,
        /// What was taken off.
        discount: Option<Discount>,
    },
    /// The subscriber changed to another plan or offer.
    SubscriptionPlanChanged {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// What was agreed to.
        terms: PlanTerms,
        /// From when on.
        effective_at: DateTime<Utc>,
        /// The period that goes on, or the new one that began.
        period: Period,
        /// How the amounts came about; nothing in a trial.
        proration: Option<Proration>,
        /// What is to be paid or was credited; nothing in a trial.
        bill: Option<Bill>,
        /// What is taken off in that period.
        discount: Option<Discount>,
    },
    /// A coupon counts from the next billed period on.
    SubscriptionCouponApplied {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// What it gives.
        coupon: CouponTerms,
    },
    /// The open bill was paid.
    SubscriptionBillPaid {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Its invoice.
        invoice_id: InvoiceId,
        /// Whether a charge had failed before.
        recovered: bool,
    },
    /// The open bill was given up; what it took from the account credit came back.
    SubscriptionBillVoided {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Its invoice.
        invoice_id: InvoiceId,
        /// What came back, not negative.
        credit_restored: Money,
    },
    /// A charge of the open bill failed for the first time.
    SubscriptionPastDue {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// The subscriber is to be told that a charge failed.
    DunningNoticeDue {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Who is to be told.
        subscriber: UserId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What is to be paid.
        amount: Money,
        /// When it is tried again; never, when it was the last attempt.
        next_attempt_at: Option<DateTime<Utc>>,
        /// When service ends, where there is any.
        service_until: Option<DateTime<Utc>>,
    },
    /// The subscription stands still.
    SubscriptionPaused {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// From when on.
        at: DateTime<Utc>,
    },
    /// It goes on.
    SubscriptionResumed {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// From when on.
        at: DateTime<Utc>,
        /// The period, its end put off by the pause.
        period: Period,
    },
    /// It will not be renewed.
    SubscriptionCancellationScheduled {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// When it ends.
        ends_at: DateTime<Utc>,
    },
    /// It will be renewed after all.
    SubscriptionCancellationWithdrawn {
        /// The subscription.
        subscription_id: SubscriptionId,
    },
    /// It ended before its time was over.
    SubscriptionCancelled {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: Cause,
        /// The invoice that is still open and to be given up.
        open_invoice: Option<InvoiceId>,
    },
    /// It ended because its time was over.
    SubscriptionExpired {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// When its time was over.
        at: DateTime<Utc>,
    },
    /// The subscriber came back after its end.
    SubscriptionReactivated {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The period that began.
        period: Period,
        /// What is to be paid for it.
        bill: Bill,
        /// What was taken off.
        discount: Option<Discount>,
    },
    /// Another one of the subscriber takes its place: it never comes back.
    SubscriptionReplaced {
        /// The subscription, which has ended.
        subscription_id: SubscriptionId,
        /// The other one.
        by: SubscriptionId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A subscription, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Set once started.
    pub contract: Option<Contract>,
}

/// A started subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Who subscribed.
    pub subscriber: UserId,
    /// What was agreed to.
    pub terms: PlanTerms,
    /// Whose calendar the periods follow.
    pub time_zone: TimeZone,
    /// When charges are tried again.
    pub dunning: Dunning,
    /// Where it stands.
    pub status: Status,
    /// Whether it goes on after the period.
    pub renews: bool,
    /// The present period, or the last one.
    pub period: Period,
    /// When the subscription last became what it is: nothing can be shown or done for a moment before.
    pub since: DateTime<Utc>,
    /// What is taken off in it.
    pub discount: Option<Discount>,
    /// When the pause began, while it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// A coupon for billed periods to come, with how many; `None` for all.
    pub coupon: Option<CouponTerms>,
    /// Coupons that were ever applied.
    pub coupons: BTreeSet<CouponCode>,
    /// What the subscriber has too much, not negative.
    pub account_credit: Money,
    /// The bill that waits for its payment.
    pub open: Option<Open>,
    /// Invoices that were paid or voided.
    pub settled: BTreeSet<InvoiceId>,
    /// How often the plan was changed within a period, for a bill.
    pub changes: u32,
    /// The one that took its place.
    #[serde(default)]
    pub replaced_by: Option<SubscriptionId>,
}

/// A bill that waits for its payment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Its invoice.
    pub invoice_id: InvoiceId,
    /// From when on it is to be paid.
    pub due_at: DateTime<Utc>,
    /// What is to be paid.
    pub total: Money,
    /// What it took from the account credit.
    pub credit_applied: Money,
    /// From when on service is not paid; it goes on until the dunning from then ends. `None` where it is paid first.
    pub unpaid_from: Option<DateTime<Utc>>,
    /// The last attempt that failed, 0 for none.
    pub failed: u32,
}

/// What can be asked of a subscription.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a command is made once and decided at once")]
pub enum Command {
    /// Subscribe.
    Start {
        /// The new subscription.
        subscription_id: SubscriptionId,
        /// Who subscribes.
        subscriber: UserId,
        /// What they agree to.
        terms: PlanTerms,
        /// Whose calendar the periods follow.
        time_zone: TimeZone,
        /// When charges are tried again.
        dunning: Dunning,
        /// A coupon that was redeemed for it.
        coupon: Option<CouponTerms>,
        /// Whether the plan's trial comes first.
        trial: bool,
        /// Now.
        at: DateTime<Utc>,
    },
    /// The time of a period is over: renew, or expire. Sent by a timer, as often as it likes.
    EndPeriod {
        /// That period.
        number: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Change to another plan or offer, as shown by [`Subscription::preview_change`].
    ChangePlan {
        /// The new terms.
        terms: PlanTerms,
        /// The moment that the preview was computed for. The change counts from then.
        shown_at: DateTime<Utc>,
        /// Its `net`, which is thereby confirmed.
        net: Money,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Use a coupon that was redeemed for this subscription, from the next billed period on.
    ApplyCoupon {
        /// What it gives.
        coupon: CouponTerms,
    },
    /// The invoice was paid.
    RecordPaid {
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// The invoice was voided.
    RecordVoided {
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// A charge of the invoice failed.
    RecordFailedCharge {
        /// The invoice.
        invoice_id: InvoiceId,
        /// The attempt, from 1.
        attempt: u32,
        /// When it is tried again; `None` when that was the last attempt.
        next_attempt_at: Option<DateTime<Utc>>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Stand still.
    Pause {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Go on.
    Resume {
        /// Now.
        at: DateTime<Utc>,
    },
    /// End at once. What is left of the period is given up; a refund is another matter.
    CancelNow {
        /// Now.
        at: DateTime<Utc>,
    },
    /// End with the period.
    CancelAtPeriodEnd,
    /// Take a scheduled cancellation back, or begin a new period after the end.
    Reactivate {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Let another one of the subscriber take its place, after its end. Comes before that one starts.
    Replace {
        /// The other one.
        by: SubscriptionId,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such subscription.
    #[error("there is no such subscription: start one first")]
    NotStarted,
    /// It exists, of another subscriber.
    #[error("subscription {0} exists and belongs to another subscriber")]
    AlreadyStarted(SubscriptionId),
    /// The command does not fit where it stands.
    #[error("subscription {0} is {1}: {2}")]
    WrongStatus(SubscriptionId, Status, &'static str),
    /// It was cancelled as of the period's end.
    #[error("subscription {0} ends with its period: reactivate it first")]
    Ending(SubscriptionId),
    /// A bill waits for its payment.
    #[error("invoice {1} of subscription {0} is open: pay it first")]
    BillOpen(SubscriptionId, InvoiceId),
    /// No such bill was drawn up.
    #[error("invoice {1} is not of subscription {0}")]
    UnknownInvoice(SubscriptionId, InvoiceId),
    /// The period goes on.
    #[error("period {number} of subscription {subscription_id} goes on until {ends_at}: try again then")]
    NotOver {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The period.
        number: u32,
        /// Its end.
        ends_at: DateTime<Utc>,
    },
    /// The time of the period is over.
    #[error("period {1} of subscription {0} is over: renew it first")]
    Over(SubscriptionId, u32),
    /// That period has not begun.
    #[error("period {1} of subscription {0} has not begun")]
    NoSuchPeriod(SubscriptionId, u32),
    /// The plan is billed in another currency.
    #[error("subscription {0} is billed in {1}, the plan in {2}: choose its price in {1}")]
    OtherCurrency(SubscriptionId, Currency, Currency),
    /// What was confirmed is not what it costs now.
    #[error("the price that was shown for subscription {0} holds no longer: show it again and confirm that")]
    PreviewOutdated(SubscriptionId),
    /// Another coupon is in use.
    #[error("subscription {0} uses coupon {1}: another can follow when that has ended")]
    CouponInUse(SubscriptionId, CouponCode),
    /// The coupon does not fit the plan.
    #[error("coupon {1} cannot be used for subscription {0}: {2}")]
    CouponUnfit(SubscriptionId, CouponCode, MoneyError),
    /// Another one took its place.
    #[error("subscription {0} was replaced by {1}: go on with that one")]
    Replaced(SubscriptionId, SubscriptionId),
    /// A moment that comes before what has happened.
    #[error("{1} is before what has happened to subscription {0}: send the present moment")]
    InThePast(SubscriptionId, DateTime<Utc>),
    /// A moment that no calendar is computed for.
    #[error("subscription {0} cannot be billed beyond the calendar: use moments of the years 2000 to 8999")]
    BeyondCalendar(SubscriptionId),
    /// The terms cannot be agreed to.
    #[error("the terms of plan {0} are not possible: {1}")]
    ImpossibleTerms(PlanId, &'static str),
    /// The amounts do not go together.
    #[error("subscription {0} cannot be billed: {1}")]
    Money(SubscriptionId, MoneyError),
}

impl Decider for Subscription {
    const AGGREGATE: &'static str = "subscription";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.contract) {
            (command @ Command::Start { .. }, None) => rules::start(command),
            (Command::Start { subscription_id, subscriber, .. }, Some(contract)) => {
                let same = contract.subscriber == subscriber && contract.subscription_id == subscription_id;
                if same { Ok(vec![]) } else { Err(Error::AlreadyStarted(contract.subscription_id)) }
            }
            (_, None) => Err(Error::NotStarted),
            (Command::EndPeriod { number, at }, Some(contract)) => contract.end_period(number, at),
            (Command::ChangePlan { terms, shown_at, net, at }, Some(contract)) => {
                contract.change_plan(terms, shown_at, net, at)
            }
            (Command::ApplyCoupon { coupon }, Some(contract)) => contract.apply_coupon(coupon),
            (Command::RecordPaid { invoice_id }, Some(contract)) => contract.record_paid(invoice_id),
            (Command::RecordVoided { invoice_id }, Some(contract)) => contract.record_voided(invoice_id),
            (Command::RecordFailedCharge { invoice_id, attempt, next_attempt_at, at }, Some(contract)) => {
                contract.record_failed_charge(invoice_id, attempt, next_attempt_at, at)
            }
            (Command::Pause { at }, Some(contract)) => contract.pause(at),
            (Command::Resume { at }, Some(contract)) => contract.resume(at),
            (Command::CancelNow { at }, Some(contract)) => contract.cancel_now(at),
            (Command::CancelAtPeriodEnd, Some(contract)) => contract.cancel_at_period_end(),
            (Command::Reactivate { at }, Some(contract)) => contract.reactivate(at),
            (Command::Replace { by }, Some(contract)) => contract.replace(by),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::SubscriptionStarted { .. } = event {
            self.contract = rules::started(event);
            return;
        }
        let Some(contract) = &mut self.contract else { return };
        match event {
            Event::SubscriptionStarted { .. } => {}
            Event::DunningNoticeDue { attempt, .. } => {
                if let Some(open) = &mut contract.open {
                    open.failed = *attempt;
                }
            }
            Event::SubscriptionRenewed { period, bill, discount, .. } => {
                // Where service had ended before the renewal, it is paid first.
                let goes_on = period.starts_at == contract.period.ends_at;
                contract.begin_period(*period, *discount);
                contract.take_bill(bill, goes_on.then_some(period.starts_at));
                contract.status = Status::Active;
            }
            Event::SubscriptionPlanChanged { terms, effective_at, period, bill, discount, .. } => {
                contract.since = *effective_at;
                contract.terms = terms.clone();
                if bill.is_some() && period.number != contract.period.number {
                    contract.begin_period(*period, *discount);
                } else {
                    contract.period = *period;
                    contract.changes += u32::from(bill.is_some());
                }
                if let Some(bill) = bill {
                    contract.take_bill(bill, Some(*effective_at));
                }
            }
            Event::SubscriptionCouponApplied { coupon, .. } => {
                contract.coupons.insert(coupon.code.clone());
                contract.coupon = Some(coupon.clone());
            }
            Event::SubscriptionBillPaid { invoice_id, .. } => {
                contract.open = None;
                contract.settled.insert(*invoice_id);
                if contract.status == Status::PastDue {
                    contract.status = Status::Active;
                }
            }
            Event::SubscriptionBillVoided { invoice_id, credit_restored, .. } => {
                contract.open = None;
                contract.settled.insert(*invoice_id);
                contract.add_credit(*credit_restored);
            }
            Event::SubscriptionPastDue { .. } => contract.status = Status::PastDue,
            Event::SubscriptionPaused { at, .. } => {
                contract.status = Status::Paused;
                contract.paused_at = Some(*at);
            }
            Event::SubscriptionResumed { at, period, .. } => {
                contract.since = *at;
                contract.status = Status::Active;
                contract.paused_at = None;
                contract.period = *period;
            }
            Event::SubscriptionCancellationScheduled { .. } => contract.renews = false,
            Event::SubscriptionCancellationWithdrawn { .. } => contract.renews = true,
            Event::SubscriptionCancelled { at, .. } => {
                contract.since = *at;
                contract.status = Status::Cancelled;
                contract.paused_at = None;
            }
            Event::SubscriptionExpired { .. } => contract.status = Status::Expired,
            Event::SubscriptionReactivated { period, bill, discount, .. } => {
                contract.begin_period(*period, *discount);
                contract.take_bill(bill, None);
                contract.status = Status::Active;
                contract.renews = true;
            }
            Event::SubscriptionReplaced { by, .. } => contract.replaced_by = Some(*by),
        }
    }
}

#[cfg(test)]
mod tests;
