//! The rules of a subscription, a function a command.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Cause, Command, Contract, Error, Event, Open, PREVIEW_MINUTES, Status, Subscription};
use crate::{
    ids::{InvoiceId, SubscriptionId},
    money::{Money, MoneyError},
    subscription::{
        bill::{Bill, Item, Line, Purpose},
        coupon::{CouponTerms, Discount},
        period::{Period, in_calendar},
        plan::{MAX_TRIAL_DAYS, PlanTerms},
        proration::{Preview, Proration},
    },
};

impl Subscription {
    /// What a change to `terms` at the moment `at` would cost. Changes nothing; its `net` is what the subscriber confirms.
    ///
    /// # Errors
    /// Why the change is not possible.
    pub fn preview_change(&self, terms: &PlanTerms, at: DateTime<Utc>) -> Result<Preview, Error> {
        let contract = self.contract.as_ref().ok_or(Error::NotStarted)?;
        Ok(contract.change(terms, at)?.preview)
    }

    /// Whether there is service at the moment `at`.
    pub fn has_service(&self, at: DateTime<Utc>) -> bool {
        self.contract.as_ref().and_then(Contract::service_until).is_some_and(|until| at < until)
    }
}

/// A change of plan, worked out.
struct Change {
    preview: Preview,
    bill: Option<Bill>,
    discount: Option<Discount>,
}

pub(super) fn start(command: Command) -> Result<Vec<Event>, Error> {
    let Command::Start { subscription_id, subscriber, terms, time_zone, dunning, coupon, trial, at } = command else {
        return Err(Error::NotStarted);
    };
    check_terms(&terms)?;
    let beyond = Error::BeyondCalendar(subscription_id);
    if !in_calendar(at) {
        return Err(beyond);
    }
    if let Some(coupon) = &coupon {
        check_coupon(subscription_id, coupon, terms.price)?;
    }
    let (period, bill, discount) = if trial && terms.trial_days > 0 {
        let period = Period::trial(at, &time_zone, terms.trial_days.into()).ok_or(beyond)?;
        (period, None, None)
    } else {
        let period = Period::anchored(1, at, &time_zone, terms.interval).ok_or(beyond)?;
        let none = Money::zero(terms.price.currency());
        let (bill, discount) = period_bill(subscription_id, &terms, coupon.as_ref(), &period, at, none)
            .map_err(|error| Error::Money(subscription_id, error))?;
        (period, Some(bill), discount)
    };
    Ok(vec![Event::SubscriptionStarted {
        subscription_id,
        subscriber,
        terms,
        time_zone,
        dunning,
        coupon,
        period,
        bill,
        discount,
    }])
}

/// The contract that a subscription starts with, or `None` for another event.
pub(super) fn started(event: &Event) -> Option<Contract> {
    let Event::SubscriptionStarted {
        subscription_id,
        subscriber,
        terms,
        time_zone,
        dunning,
        coupon,
        period,
        bill,
        discount,
    } = event
    else {
        return None;
    };
    let mut contract = Contract {
        subscription_id: *subscription_id,
        subscriber: *subscriber,
        terms: terms.clone(),
        time_zone: time_zone.clone(),
        dunning: dunning.clone(),
        status: if period.number == 0 { Status::Trialing } else { Status::Active },
        renews: true,
        period: *period,
        since: period.starts_at,
        discount: None,
        paused_at: None,
        coupons: coupon.iter().map(|coupon| coupon.code.clone()).collect(),
        coupon: coupon.clone(),
        account_credit: Money::zero(terms.price.currency()),
        open: None,
        settled: BTreeSet::new(),
        changes: 0,
        replaced_by: None,
    };
    if let Some(bill) = bill {
        contract.begin_period(*period, *discount);
        contract.take_bill(bill, None);
    }
    Some(contract)
}

impl Contract {
    /// Until when there is service, or `None` where there is none.
    ///
    /// That is the end of what was paid; where it goes on unpaid, the end of the dunning counted from there.
    pub fn service_until(&self) -> Option<DateTime<Utc>> {
        if matches!(self.status, Status::Paused | Status::Cancelled | Status::Expired) {
            return None;
        }
        let end = self.period.ends_at;
        let grace = |from| self.dunning.ends_at(from, &self.time_zone).unwrap_or(end);
        match self.open {
            Some(open) => open.unpaid_from.map(|from| grace(from).min(end)),
            None if self.renews => Some(grace(end)),
            None => Some(end),
        }
    }

    pub(super) fn end_period(&self, number: u32, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if number > self.period.number {
            return Err(Error::NoSuchPeriod(subscription_id, number));
        }
        let ended = matches!(self.status, Status::Paused | Status::Cancelled | Status::Expired);
        if number < self.period.number || ended {
            return Ok(vec![]);
        }
        let ends_at = self.period.ends_at;
        if at < ends_at {
            return Err(Error::NotOver { subscription_id, number, ends_at });
        }
        self.nothing_open()?;
        if !self.renews {
            return Ok(vec![Event::SubscriptionExpired { subscription_id, at: ends_at }]);
        }
        let in_service = self.service_until().is_some_and(|until| at < until);
        let period = if in_service {
            self.period.next(&self.time_zone, self.terms.interval)
        } else {
            // Service had ended before anybody renewed: nobody pays for that time, so a new count begins.
            self.period_from(at)
        };
        let period = period.ok_or(Error::BeyondCalendar(subscription_id))?;
        let (bill, discount) = self.bill_for(&period, at)?;
        Ok(vec![Event::SubscriptionRenewed { subscription_id, period, bill, discount }])
    }

    pub(super) fn change_plan(
        &self,
        terms: PlanTerms,
        shown_at: DateTime<Utc>,
        net: Money,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if terms == self.terms {
            return Ok(vec![]);
        }
        let change = self.change(&terms, shown_at)?;
        if at < shown_at || at > change.preview.valid_until || net != change.preview.net {
            return Err(Error::PreviewOutdated(subscription_id));
        }
        Ok(vec![Event::SubscriptionPlanChanged {
            subscription_id,
            terms,
            effective_at: shown_at,
            period: change.preview.period,
            proration: change.preview.proration,
            bill: change.bill,
            discount: change.discount,
        }])
    }

    fn change(&self, terms: &PlanTerms, at: DateTime<Utc>) -> Result<Change, Error> {
        let subscription_id = self.subscription_id;
        check_terms(terms)?;
        self.must_go_on("only a plan that goes on can be changed")?;
        let (present, new) = (self.terms.price.currency(), terms.price.currency());
        if present != new {
            return Err(Error::OtherCurrency(subscription_id, present, new));
        }
        self.nothing_open()?;
        if !self.renews {
            return Err(Error::Ending(subscription_id));
        }
        if at >= self.period.ends_at {
            return Err(Error::Over(subscription_id, self.period.number));
        }
        if at < self.since {
            return Err(Error::PreviewOutdated(subscription_id));
        }
        self.price_change(terms, at).map_err(|error| Error::Money(subscription_id, error))?.map_or_else(
            || Err(Error::BeyondCalendar(subscription_id)),
            |(period, proration, bill, discount)| {
                let none = Money::zero(present);
                let net = proration.as_ref().map_or(Ok(none), Proration::net);
                let preview = Preview {
                    shown_at: at,
                    valid_until: at + TimeDelta::minutes(PREVIEW_MINUTES),
                    terms: terms.clone(),
                    period,
                    proration,
                    lines: bill.as_ref().map(|bill| bill.lines.clone()).unwrap_or_default(),
                    net: net.map_err(|error| Error::Money(subscription_id, error))?,
                    credit_applied: bill.as_ref().map_or(none, |bill| bill.credit_applied),
                    total: bill.as_ref().map_or(none, |bill| bill.total),
                };
                Ok(Change { preview, bill, discount })
            },
        )
    }

    /// Period, proration, bill and discount after a change; `None` beyond the calendar.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn price_change(
        &self,
        terms: &PlanTerms,
        at: DateTime<Utc>,
    ) -> Result<Option<(Period, Option<Proration>, Option<Bill>, Option<Discount>)>, MoneyError> {
        if self.status == Status::Trialing {
            return Ok(Some((self.period, None, None, None)));
        }
        let subscription_id = self.subscription_id;
        let present = discounted(self.terms.price, self.discount)?;
        let unused = |credit: Money| Line::of_time(Item::UnusedTime, credit.negated(), at, self.period.ends_at);
        let (period, proration, lines, purpose, discount) = if terms.interval == self.terms.interval {
            let proration = Proration::within(&self.period, at, present, discounted(terms.price, self.discount)?)?;
            let remaining = Line::of_time(Item::RemainingTime, proration.charge, at, self.period.ends_at);
            let lines = vec![unused(proration.credit), remaining];
            let purpose = Purpose::Change { subscription_id, number: self.changes + 1 };
            (self.period, proration, lines, purpose, self.discount)
        } else {
            // Another interval: a period of the new plan begins at once.
            let Some(number) = self.period.number.checked_add(1) else { return Ok(None) };
            let Some(period) = Period::anchored(number, at, &self.time_zone, terms.interval) else { return Ok(None) };
            let (mut lines, discount) = period_lines(terms, self.coupon.as_ref(), &period)?;
            let charge = Money::sum(present.currency(), lines.iter().map(|line| line.amount))?;
            let proration = Proration::restarting(&self.period, at, present, charge)?;
            lines.insert(0, unused(proration.credit));
            (period, proration, lines, Purpose::Period { subscription_id, number }, discount)
        };
        let bill = Bill::draw(purpose, at, lines, self.account_credit)?;
        self.account_credit.plus(bill.credit_added)?;
        Ok(Some((period, Some(proration), Some(bill), discount)))
    }

    pub(super) fn apply_coupon(&self, coupon: CouponTerms) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if self.coupons.contains(&coupon.code) {
            return Ok(vec![]);
        }
        if matches!(self.status, Status::Cancelled | Status::Expired) {
            return Err(Error::WrongStatus(subscription_id, self.status, "reactivate it first"));
        }
        if let Some(used) = &self.coupon {
            return Err(Error::CouponInUse(subscription_id, used.code.clone()));
        }
        check_coupon(subscription_id, &coupon, self.terms.price)?;
        Ok(vec![Event::SubscriptionCouponApplied { subscription_id, coupon }])
    }

    pub(super) fn record_paid(&self, invoice_id: InvoiceId) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if self.settled.contains(&invoice_id) {
            return Ok(vec![]);
        }
        self.open_bill(invoice_id)?;
        let recovered = self.status == Status::PastDue;
        Ok(vec![Event::SubscriptionBillPaid { subscription_id, invoice_id, recovered }])
    }

    pub(super) fn record_voided(&self, invoice_id: InvoiceId) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if self.settled.contains(&invoice_id) {
            return Ok(vec![]);
        }
        let open = self.open_bill(invoice_id)?;
        if self.status != Status::Cancelled {
            // Otherwise it would go on without being paid.
            return Err(Error::WrongStatus(subscription_id, self.status, "cancel it before its invoice is voided"));
        }
        let credit_restored = open.credit_applied;
        Ok(vec![Event::SubscriptionBillVoided { subscription_id, invoice_id, credit_restored }])
    }

    pub(super) fn record_failed_charge(
        &self,
        invoice_id: InvoiceId,
        attempt: u32,
        next_attempt_at: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if self.settled.contains(&invoice_id) {
            return Ok(vec![]);
        }
        let open = self.open_bill(invoice_id)?;
        if attempt <= open.failed || self.status == Status::Cancelled {
            return Ok(vec![]);
        }
        let mut events = vec![];
        if self.status != Status::PastDue {
            events.push(Event::SubscriptionPastDue { subscription_id, invoice_id });
        }
        events.push(Event::DunningNoticeDue {
            subscription_id,
            subscriber: self.subscriber,
            invoice_id,
            attempt,
            amount: open.total,
            next_attempt_at,
            service_until: next_attempt_at.and(self.service_until()),
        });
        if next_attempt_at.is_none() {
            let (cause, open_invoice) = (Cause::Unpaid, Some(invoice_id));
            events.push(Event::SubscriptionCancelled { subscription_id, at, cause, open_invoice });
        }
        Ok(events)
    }

    pub(super) fn pause(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        match self.status {
            Status::Paused => return Ok(vec![]),
            Status::Active | Status::PastDue => {}
            Status::Trialing | Status::Cancelled | Status::Expired => {
                let hint = "only a paid subscription that goes on can be paused";
                return Err(Error::WrongStatus(subscription_id, self.status, hint));
            }
        }
        self.nothing_open()?;
        if !self.renews {
            return Err(Error::Ending(subscription_id));
        }
        self.not_in_the_past(at)?;
        if at >= self.period.ends_at {
            return Err(Error::Over(subscription_id, self.period.number));
        }
        Ok(vec![Event::SubscriptionPaused { subscription_id, at }])
    }

    pub(super) fn resume(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        match (self.status, self.paused_at) {
            (Status::Cancelled | Status::Expired, _) => {
                Err(Error::WrongStatus(subscription_id, self.status, "reactivate it instead"))
            }
            (Status::Paused, Some(paused_at)) => {
                if at < paused_at {
                    return Err(Error::InThePast(subscription_id, at));
                }
                if !in_calendar(at) {
                    return Err(Error::BeyondCalendar(subscription_id));
                }
                let period = self.period.resumed(paused_at, at);
                Ok(vec![Event::SubscriptionResumed { subscription_id, at, period }])
            }
            _ => Ok(vec![]),
        }
    }

    pub(super) fn cancel_now(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        if matches!(self.status, Status::Cancelled | Status::Expired) {
            return Ok(vec![]);
        }
        self.not_in_the_past(at)?;
        let open_invoice = self.open.map(|open| open.invoice_id);
        Ok(vec![Event::SubscriptionCancelled { subscription_id, at, cause: Cause::Requested, open_invoice }])
    }

    pub(super) fn cancel_at_period_end(&self) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        match self.status {
            Status::Cancelled | Status::Expired => Ok(vec![]),
            _ if !self.renews => Ok(vec![]),
            Status::Paused => {
                Err(Error::WrongStatus(subscription_id, self.status, "resume it first, or cancel it at once"))
            }
            Status::Trialing | Status::Active | Status::PastDue => {
                let ends_at = self.period.ends_at;
                Ok(vec![Event::SubscriptionCancellationScheduled { subscription_id, ends_at }])
            }
        }
    }

    pub(super) fn reactivate(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        match self.status {
            Status::Trialing | Status::Active | Status::PastDue if self.renews => Ok(vec![]),
            Status::Trialing | Status::Active | Status::PastDue => {
                Ok(vec![Event::SubscriptionCancellationWithdrawn { subscription_id }])
            }
            Status::Paused => Err(Error::WrongStatus(subscription_id, self.status, "resume it instead")),
            Status::Cancelled | Status::Expired => {
                if let Some(by) = self.replaced_by {
                    return Err(Error::Replaced(subscription_id, by));
                }
                self.nothing_open()?;
                self.not_in_the_past(at)?;
                let period = self.period_from(at).ok_or(Error::BeyondCalendar(subscription_id))?;
                let (bill, discount) = self.bill_for(&period, at)?;
                Ok(vec![Event::SubscriptionReactivated { subscription_id, period, bill, discount }])
            }
        }
    }

    pub(super) fn replace(&self, by: SubscriptionId) -> Result<Vec<Event>, Error> {
        let subscription_id = self.subscription_id;
        match self.replaced_by {
            Some(present) if present == by => return Ok(vec![]),
            Some(present) => return Err(Error::Replaced(subscription_id, present)),
            None => {}
        }
        if !self.has_ended() {
            return Err(Error::WrongStatus(subscription_id, self.status, "change its plan, or cancel it first"));
        }
        Ok(vec![Event::SubscriptionReplaced { subscription_id, by }])
    }

    /// Whether it was cancelled or has expired.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Cancelled | Status::Expired)
    }

    /// Takes over a period that is billed, with what is taken off in it.
    pub(super) fn begin_period(&mut self, period: Period, discount: Option<Discount>) {
        self.period = period;
        self.since = period.starts_at;
        self.discount = discount;
        if discount.is_some()
            && let Some(coupon) = &mut self.coupon
            && let Some(left) = coupon.periods
        {
            if left > 1 {
                coupon.periods = Some(left - 1);
            } else {
                self.coupon = None;
            }
        }
    }

    /// Takes over a bill: it is open, unless nothing is to be paid.
    pub(super) fn take_bill(&mut self, bill: &Bill, unpaid_from: Option<DateTime<Utc>>) {
        self.add_credit(bill.credit_added);
        self.add_credit(bill.credit_applied.negated());
        if bill.total.is_zero() {
            self.settled.insert(bill.invoice_id);
        } else {
            self.open = Some(Open {
                invoice_id: bill.invoice_id,
                due_at: bill.due_at,
                total: bill.total,
                credit_applied: bill.credit_applied,
                unpaid_from,
                failed: 0,
            });
        }
    }

    /// Adds to the account credit what was decided to fit in.
    pub(super) fn add_credit(&mut self, change: Money) {
        self.account_credit = self.account_credit.plus(change).unwrap_or(self.account_credit);
    }

    fn period_from(&self, at: DateTime<Utc>) -> Option<Period> {
        let number = self.period.number.checked_add(1)?;
        in_calendar(at).then(|| Period::anchored(number, at, &self.time_zone, self.terms.interval)).flatten()
    }

    fn bill_for(&self, period: &Period, due_at: DateTime<Utc>) -> Result<(Bill, Option<Discount>), Error> {
        let (coupon, credit) = (self.coupon.as_ref(), self.account_credit);
        period_bill(self.subscription_id, &self.terms, coupon, period, due_at, credit)
            .map_err(|error| Error::Money(self.subscription_id, error))
    }

    fn open_bill(&self, invoice_id: InvoiceId) -> Result<Open, Error> {
        let open = self.open.filter(|open| open.invoice_id == invoice_id);
        open.ok_or(Error::UnknownInvoice(self.subscription_id, invoice_id))
    }

    fn nothing_open(&self) -> Result<(), Error> {
        match self.open {
            None => Ok(()),
            Some(open) => Err(Error::BillOpen(self.subscription_id, open.invoice_id)),
        }
    }

    fn must_go_on(&self, hint: &'static str) -> Result<(), Error> {
        match self.status {
            Status::Trialing | Status::Active | Status::PastDue => Ok(()),
            status => Err(Error::WrongStatus(self.subscription_id, status, hint)),
        }
    }

    fn not_in_the_past(&self, at: DateTime<Utc>) -> Result<(), Error> {
        if at < self.since { Err(Error::InThePast(self.subscription_id, at)) } else { Ok(()) }
    }
}

fn discounted(price: Money, discount: Option<Discount>) -> Result<Money, MoneyError> {
    discount.map_or(Ok(price), |discount| price.minus(discount.of(price)?))
}

fn period_lines(
    terms: &PlanTerms,
    coupon: Option<&CouponTerms>,
    period: &Period,
) -> Result<(Vec<Line>, Option<Discount>), MoneyError> {
    let (from, until) = (period.starts_at, period.ends_at);
    let mut lines = vec![Line::of_time(Item::Period, terms.price, from, until)];
    let discount = coupon.map(|coupon| coupon.discount);
    if let Some(discount) = discount {
        lines.push(Line::of_time(Item::Discount, discount.of(terms.price)?.negated(), from, until));
    }
    Ok((lines, discount))
}

fn period_bill(
    subscription_id: SubscriptionId,
    terms: &PlanTerms,
    coupon: Option<&CouponTerms>,
    period: &Period,
    due_at: DateTime<Utc>,
    credit: Money,
) -> Result<(Bill, Option<Discount>), MoneyError> {
    let (lines, discount) = period_lines(terms, coupon, period)?;
    let purpose = Purpose::Period { subscription_id, number: period.number };
    Ok((Bill::draw(purpose, due_at, lines, credit)?, discount))
}

fn check_coupon(subscription_id: SubscriptionId, coupon: &CouponTerms, price: Money) -> Result<(), Error> {
    let unfit = |error| Error::CouponUnfit(subscription_id, coupon.code.clone(), error);
    coupon.discount.of(price).map(|_| ()).map_err(unfit)
}

fn check_terms(terms: &PlanTerms) -> Result<(), Error> {
    let impossible = |reason| Err(Error::ImpossibleTerms(terms.plan_id.clone(), reason));
    if !terms.interval.is_valid() {
        return impossible("a period is 1 to 12 weeks, months or years");
    }
    if terms.price.is_negative() {
        return impossible("its price is negative");
    }
    if terms.trial_days > MAX_TRIAL_DAYS {
        return impossible("its trial is longer than 365 days");
    }
    Ok(())
}
