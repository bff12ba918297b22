//! One subscriber with all their aggregates, and what must hold at every moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use baeum_domain::{
    AnyEvent, Decider,
    identity::locale::TimeZone,
    ids::{AttemptId, InvoiceId, PaymentId, PurchaseId, RefundId, SubscriptionId, UserId},
    money::{Money, samples::money},
    subscription::{
        bill::{Bill, Purpose},
        coupon::{CouponTerms, Discount},
        credits::{self, CreditBalance},
        dunning::Dunning,
        invoice::{self, Invoice},
        ledger::{self, Account},
        payment::{self, AskedBy, ChargeOutcome, Payment},
        period::{Interval, Unit},
        plan::{PlanTerms, samples::terms},
        refund::{self, Ground, Purchase, Refund, RefundPolicy},
        subscription::{Command, Contract, Event, Status, Subscription},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::{prop_assert, prop_assert_eq, sample::Index, test_runner::TestCaseError};
use uuid::Uuid;

use crate::gateway::{Gateway, Verdict};

pub(crate) const MINA: UserId = UserId(Uuid::from_u128(2));
const ID: SubscriptionId = SubscriptionId(Uuid::from_u128(1));

/// The dunning of seven days, in a zone without summer time.
const DUNNING: TimeDelta = TimeDelta::days(7);

pub(crate) fn zone() -> TimeZone {
    "Asia/Seoul".parse().expect("a zone")
}

fn plans() -> Vec<PlanTerms> {
    let krw = |minor| money(minor, "KRW");
    let of = |name, price, every, unit| PlanTerms { interval: Interval { every, unit }, ..terms(name, krw(price)) };
    vec![
        of("plus", 12_900, 1, Unit::Month),
        of("premium", 19_900, 1, Unit::Month),
        of("free", 0, 1, Unit::Month),
        of("yearly", 129_000, 1, Unit::Year),
        of("weekly", 3_501, 1, Unit::Week),
    ]
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// So many hours go by.
    Wait(i64),
    /// The processes do all that there is to do, and hear of everything twice.
    Process {
        twice: bool,
    },
    /// The timer of the present period fires.
    EndPeriod,
    /// Every payment that waits is charged.
    Charge {
        by_subscriber: bool,
    },
    /// The next call reaches the gateway.
    Answer(Verdict),
    /// The gateway is asked for everything that is in flight, under its keys.
    Ask,
    ChangePlan(usize),
    Pause,
    Resume,
    CancelNow,
    CancelAtPeriodEnd,
    Reactivate,
    Coupon(u32),
    Buy(u32),
    Spend(u128),
    /// Credits that were bought first are given back.
    TakeBack,
    /// So many hundredths of the latest payment are to be given back.
    Refund(u64),
    /// The next refund succeeds, or does not.
    AnswerRefund(bool),
    /// The gateway takes money under a key that had an outcome.
    Misbehave(Index),
}

pub(crate) struct World {
    pub(crate) now: DateTime<Utc>,
    pub(crate) subscription: Subscription,
    pub(crate) invoices: BTreeMap<InvoiceId, Invoice>,
    pub(crate) payments: BTreeMap<PaymentId, Payment>,
    pub(crate) refunds: BTreeMap<RefundId, Refund>,
    pub(crate) credits: CreditBalance,
    pub(crate) gateway: Gateway,
    inbox: VecDeque<AnyEvent>,
    accounts: BTreeMap<Account, i128>,
    /// What was billed, and until when the period goes.
    billed: BTreeMap<InvoiceId, DateTime<Utc>>,
    periods: BTreeSet<u32>,
    /// Until when service is paid.
    paid_until: DateTime<Utc>,
    /// Credits bought less credits used, counted from events.
    units: i64,
    evaluated: BTreeSet<AttemptId>,
    submitted: BTreeMap<AttemptId, DateTime<Utc>>,
    misbehaved: bool,
    counter: u128,
}

type Decided<D> = Result<Result<usize, <D as Decider>::Error>, TestCaseError>;

/// Decides, checks that deciding again decides nothing, and evolves.
fn decide<D: Decider>(state: &mut D, command: D::Command) -> Result<Result<Vec<D::Event>, D::Error>, TestCaseError> {
    let events = match state.decide(command.clone()) {
        Ok(events) => events,
        Err(error) => return Ok(Err(error)),
    };
    for event in &events {
        state.evolve(event);
    }
    match state.decide(command) {
        Ok(again) => prop_assert_eq!(again, vec![], "deciding again after {:?}", events),
        Err(error) => return Err(TestCaseError::fail(format!("deciding again after {events:?}: {error}"))),
    }
    Ok(Ok(events))
}

impl World {
    pub(crate) fn new(trial: bool) -> Self {
        let now = "2026-01-31T00:00:00+09:00".parse().expect("a moment");
        let mut world = Self {
            now,
            subscription: Subscription::default(),
            invoices: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            credits: CreditBalance::default(),
            gateway: Gateway::default(),
            inbox: VecDeque::new(),
            accounts: BTreeMap::new(),
            billed: BTreeMap::new(),
            periods: BTreeSet::new(),
            paid_until: now,
            units: 0,
            evaluated: BTreeSet::new(),
            submitted: BTreeMap::new(),
            misbehaved: false,
            counter: 0,
        };
        let start = Command::Start {
            subscription_id: ID,
            subscriber: MINA,
            terms: PlanTerms { trial_days: 7, evaluations: 3, ..plans()[0].clone() },
            time_zone: zone(),
            dunning: Dunning::default(),
            coupon: None,
            trial,
            at: now,
        };
        world.send_to_subscription(start).expect("no invariant is broken").expect("it starts");
        world
    }

    pub(crate) fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let at = self.now;
        // What is refused is refused: nothing may come of it.
        match op {
            Op::Wait(hours) => self.now += TimeDelta::hours(hours),
            Op::Process { twice } => self.process(twice)?,
            Op::EndPeriod => {
                let _ = self.send_to_subscription(Command::EndPeriod { number: self.contract().period.number, at })?;
            }
            Op::Charge { by_subscriber } => self.charge(by_subscriber)?,
            Op::Answer(verdict) => self.answer(verdict)?,
            Op::Ask => self.ask()?,
            Op::ChangePlan(plan) => {
                let terms = plans()[plan].clone();
                if let Ok(shown) = self.subscription.preview_change(&terms, at) {
                    let change = Command::ChangePlan { terms, shown_at: at, net: shown.net, at };
                    self.send_to_subscription(change)?.expect("what was shown can be confirmed");
                }
            }
            Op::Pause => {
                let _ = self.send_to_subscription(Command::Pause { at })?;
            }
            Op::Resume => {
                let _ = self.send_to_subscription(Command::Resume { at })?;
            }
            Op::CancelNow => {
                let _ = self.send_to_subscription(Command::CancelNow { at })?;
            }
            Op::CancelAtPeriodEnd => {
                let _ = self.send_to_subscription(Command::CancelAtPeriodEnd)?;
            }
            Op::Reactivate => {
                let _ = self.send_to_subscription(Command::Reactivate { at })?;
            }
            Op::Coupon(which) => {
                let discount = [Discount::Share(2_500), Discount::Share(10_000), Discount::Amount(money(3_000, "KRW"))];
                let code = format!("coupon-{which}").parse().expect("a code");
                let coupon = CouponTerms { code, discount: discount[which as usize], periods: Some(which + 1) };
                let _ = self.send_to_subscription(Command::ApplyCoupon { coupon })?;
            }
            Op::Buy(units) => {
                let purchase_id = PurchaseId(Uuid::from_u128(self.next()));
                let unit_price = money(100, "KRW");
                let _ = self.send_to_credits(credits::Command::Buy {
                    subscriber: MINA,
                    purchase_id,
                    units,
                    unit_price,
                    at,
                })?;
            }
            Op::Spend(attempt) => {
                // However often an attempt is told of, it was submitted when it was.
                let attempt_id = AttemptId(Uuid::from_u128(attempt));
                let at = *self.submitted.entry(attempt_id).or_insert(at);
                let _ = self.send_to_credits(credits::Command::Spend { subscriber: MINA, attempt_id, at })?;
            }
            Op::TakeBack => {
                if let Some(purchase_id) = self.credits.purchases.keys().next().copied() {
                    let _ = self.send_to_credits(credits::Command::TakeBack { subscriber: MINA, purchase_id })?;
                }
            }
            Op::Refund(hundredths) => self.refund(hundredths)?,
            Op::AnswerRefund(succeeds) => self.answer_refund(succeeds)?,
            Op::Misbehave(which) => self.misbehave(which)?,
        }
        Ok(())
    }

    /// Answers all that is open, until nothing is left to do.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        loop {
            self.process(false)?;
            if self.gateway.calls.is_empty() && self.gateway.refunds.is_empty() {
                self.ask()?;
                if self.inbox.is_empty() {
                    return Ok(());
                }
            }
            self.answer(Verdict { succeeds: true, told: true })?;
            self.answer_refund(true)?;
        }
    }

    /// What must hold at every moment.
    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        let contract = self.contract();
        for (payment_id, payment) in &self.payments {
            let collection = payment.collection.as_ref().expect("requested");
            let (taken, back) = self.gateway.amounts(*payment_id);
            prop_assert!(back <= taken, "{back} were given back of {taken}");
            prop_assert!(self.misbehaved || self.gateway.taken(*payment_id) <= 1, "a payment was charged twice");
            for reference in collection.charges.keys() {
                let used = collection.refunds.values().filter(|it| it.reference == *reference);
                let settled = used.filter(|it| it.state == payment::ReserveState::Settled).map(|it| it.amount.minor());
                prop_assert!(settled.sum::<i64>() <= collection.amount.minor(), "more was refunded than charged");
            }
        }
        prop_assert!(!contract.account_credit.is_negative());
        prop_assert_eq!(i64::from(self.credits.balance), self.units, "credits are what was bought less what was used");
        if self.subscription.has_service(self.now) {
            prop_assert!(self.now < self.paid_until + DUNNING, "served unpaid past the dunning: {contract:?}");
            let open_since = contract.open.and_then(|open| open.unpaid_from);
            prop_assert!(open_since.is_none_or(|since| self.now < since + DUNNING), "a bill is unpaid: {contract:?}");
        }
        Ok(())
    }

    /// What must hold when every answer has come and everything was processed.
    pub(crate) fn check_at_rest(&self) -> Result<(), TestCaseError> {
        let contract = self.contract();
        let account = |account| self.accounts.get(&account).copied().unwrap_or(0);
        prop_assert_eq!(account(Account::AccountCredit), -i128::from(contract.account_credit.minor()));
        prop_assert_eq!(account(Account::Gateway), i128::from(self.gateway.holds()), "what lies with the gateway");
        prop_assert_eq!(account(Account::Surplus), 0, "every surplus was given back");
        let claims = self.invoices.values().filter_map(|invoice| invoice.claim.as_ref());
        let open: Vec<_> = claims.filter(|claim| claim.outcome.is_none()).map(|claim| &claim.bill).collect();
        let owed: i64 = open.iter().map(|bill| bill.total.minor()).sum();
        prop_assert_eq!(account(Account::Receivable), i128::from(owed), "what is owed");
        let of_subscription = open.iter().filter(|bill| !matches!(bill.purpose, Purpose::Credits { .. }));
        let of_subscription: Vec<_> = of_subscription.map(|bill| bill.invoice_id).collect();
        prop_assert_eq!(of_subscription, contract.open.map(|open| open.invoice_id).into_iter().collect::<Vec<_>>());
        prop_assert!(contract.open.is_none() || contract.status != Status::Cancelled, "nothing is owed after the end");
        Ok(())
    }

    /// How often the gateway took money.
    pub(crate) fn charges(&self) -> usize {
        self.gateway.charges.values().filter(|(_, reference)| reference.is_some()).count()
    }

    pub(crate) fn contract(&self) -> &Contract {
        self.subscription.contract.as_ref().expect("started")
    }

    pub(crate) fn bill(&self, invoice_id: InvoiceId) -> &Bill {
        &self.invoices[&invoice_id].claim.as_ref().expect("issued").bill
    }

    pub(crate) fn send_to_subscription(&mut self, command: Command) -> Decided<Subscription> {
        let decided = decide(&mut self.subscription, command)?;
        self.take(decided)
    }

    pub(crate) fn send_to_invoice(&mut self, invoice_id: InvoiceId, command: invoice::Command) -> Decided<Invoice> {
        let decided = decide(self.invoices.entry(invoice_id).or_default(), command)?;
        self.take(decided)
    }

    pub(crate) fn send_to_payment(&mut self, payment_id: PaymentId, command: payment::Command) -> Decided<Payment> {
        let Some(payment) = self.payments.get_mut(&payment_id) else {
            let mut payment = Payment::default();
            let decided = decide(&mut payment, command)?;
            if decided.is_ok() {
                self.payments.insert(payment_id, payment);
            }
            return self.take(decided);
        };
        let decided = decide(payment, command)?;
        self.take(decided)
    }

    pub(crate) fn send_to_refund(&mut self, refund_id: RefundId, command: refund::Command) -> Decided<Refund> {
        let decided = decide(self.refunds.entry(refund_id).or_default(), command)?;
        self.take(decided)
    }

    pub(crate) fn send_to_credits(&mut self, command: credits::Command) -> Decided<CreditBalance> {
        let decided = decide(&mut self.credits, command)?;
        self.take(decided)
    }

    /// Takes new events into the log: the ledger, what the checks count, and the inbox of the processes.
    fn take<E, X>(&mut self, decided: Result<Vec<E>, X>) -> Result<Result<usize, X>, TestCaseError>
    where
        AnyEvent: From<E>,
    {
        let events = match decided {
            Ok(events) => events,
            Err(error) => return Ok(Err(error)),
        };
        let count = events.len();
        for event in events.into_iter().map(AnyEvent::from) {
            let movement = ledger::movement(&event);
            prop_assert_eq!(movement.imbalance(), BTreeMap::new(), "{:?} does not balance", event);
            for entry in &movement.entries {
                *self.accounts.entry(entry.account.clone()).or_default() += entry.signed();
            }
            self.count(&event)?;
            self.inbox.push_back(event);
        }
        Ok(Ok(count))
    }

    fn count(&mut self, event: &AnyEvent) -> Result<(), TestCaseError> {
        match event {
            AnyEvent::Subscription(event) => self.count_time(event)?,
            AnyEvent::CreditBalance(credits::Event::CreditsAdded { units, .. }) => self.units += i64::from(*units),
            AnyEvent::CreditBalance(credits::Event::CreditsTakenBack { units, .. }) => self.units -= i64::from(*units),
            AnyEvent::CreditBalance(credits::Event::EvaluationCharged { attempt_id, source, .. }) => {
                self.units -= i64::from(*source == credits::Source::Credits);
                prop_assert!(self.evaluated.insert(*attempt_id), "an evaluation was charged twice");
            }
            _ => {}
        }
        Ok(())
    }

    fn count_time(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let (period, bill) = match event {
            Event::SubscriptionStarted { period, bill, .. } => {
                if bill.is_none() {
                    self.paid_until = period.ends_at;
                }
                (period, bill.as_ref())
            }
            Event::SubscriptionRenewed { period, bill, .. } | Event::SubscriptionReactivated { period, bill, .. } => {
                (period, Some(bill))
            }
            Event::SubscriptionPlanChanged { period, bill, effective_at, .. } => {
                if bill.as_ref().is_some_and(|bill| matches!(bill.purpose, Purpose::Period { .. })) {
                    self.paid_until = *effective_at;
                }
                (period, bill.as_ref())
            }
            Event::SubscriptionBillPaid { invoice_id, .. } => {
                let until = self.billed.get(invoice_id).copied();
                self.paid_until = self.paid_until.max(until.expect("billed before"));
                return Ok(());
            }
            Event::SubscriptionResumed { period, .. } => {
                self.paid_until = period.ends_at;
                return Ok(());
            }
            Event::SubscriptionPaused { at, .. } | Event::SubscriptionCancelled { at, .. } => {
                self.paid_until = self.paid_until.min(*at);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(bill) = bill else { return Ok(()) };
        prop_assert_eq!(bill.check(), Ok(()));
        prop_assert!(self.billed.insert(bill.invoice_id, period.ends_at).is_none(), "an invoice was billed twice");
        if let Purpose::Period { number, .. } = bill.purpose {
            prop_assert_eq!(number, period.number);
            prop_assert!(self.periods.insert(number), "period {number} was billed twice");
        }
        if bill.total.is_zero() {
            self.paid_until = self.paid_until.max(period.ends_at);
        }
        Ok(())
    }

    fn process(&mut self, twice: bool) -> Result<(), TestCaseError> {
        while let Some(event) = self.inbox.pop_front() {
            let mut done = self.react(&event)?;
            if done && twice {
                done = self.react(&event)?;
            }
            if !done {
                self.inbox.push_back(event);
            }
        }
        Ok(())
    }

    fn charge(&mut self, by_subscriber: bool) -> Result<(), TestCaseError> {
        let asked_by = if by_subscriber { AskedBy::Subscriber } else { AskedBy::Schedule };
        let begun = self.payments.iter().map(|(id, it)| (*id, it.collection.as_ref().map_or(0, |it| it.begun)));
        for (payment_id, begun) in begun.collect::<Vec<_>>() {
            let begin = payment::Command::BeginCharge { attempt: begun + 1, asked_by, at: self.now };
            let _ = self.send_to_payment(payment_id, begin)?;
        }
        Ok(())
    }

    fn answer(&mut self, verdict: Verdict) -> Result<(), TestCaseError> {
        let Some(call) = self.gateway.calls.pop_front() else { return Ok(()) };
        let reference = self.gateway.charge(&call, verdict.succeeds);
        if verdict.told { self.tell(call.payment_id, call.attempt, reference) } else { Ok(()) }
    }

    fn tell(&mut self, payment_id: PaymentId, attempt: u32, reference: Option<String>) -> Result<(), TestCaseError> {
        let outcome = reference.map_or_else(
            || ChargeOutcome::Failed { code: "card_declined".into() },
            |reference| ChargeOutcome::Succeeded { reference },
        );
        let record = payment::Command::RecordCharge { attempt, outcome, at: self.now };
        self.send_to_payment(payment_id, record)?.expect("what the gateway says is recorded");
        Ok(())
    }

    fn ask(&mut self) -> Result<(), TestCaseError> {
        let known: Vec<_> = self.gateway.charges.values().cloned().collect();
        known.into_iter().try_for_each(|(call, reference)| self.tell(call.payment_id, call.attempt, reference))
    }

    fn refund(&mut self, hundredths: u64) -> Result<(), TestCaseError> {
        let mut latest =
            self.payments.values().filter_map(|it| it.collection.as_ref()).filter(|it| it.captured.is_some());
        let Some(collection) = latest.next_back() else { return Ok(()) };
        let reference = collection.captured.clone().expect("filtered");
        let (payment_id, paid) = (collection.payment_id, collection.amount);
        let amount = paid.portion(hundredths, 100);
        // What the caller knows may be old: the payment is what keeps it from giving too much back.
        let none = Money::zero(paid.currency());
        let purchase = Purchase { paid, refunded: none, paid_at: self.now, period: None };
        let ground = Ground::Policy(RefundPolicy::default(), purchase);
        let refund_id = RefundId(Uuid::from_u128(self.next()));
        let (reason, at) = (refund::Reason::NotWanted, self.now);
        let request = refund::Command::Request { refund_id, payment_id, reference, amount, ground, reason, at };
        let _ = self.send_to_refund(refund_id, request)?;
        Ok(())
    }

    fn answer_refund(&mut self, succeeds: bool) -> Result<(), TestCaseError> {
        let Some((key, payment_id, refund_id, amount)) = self.gateway.refunds.pop_front() else { return Ok(()) };
        let at = self.now;
        let command = if self.gateway.refund(key, payment_id, amount, succeeds) {
            refund::Command::RecordSuccess { at }
        } else {
            refund::Command::RecordFailure { code: "charge_expired".into(), at }
        };
        self.send_to_refund(refund_id, command)?.expect("what the gateway says is recorded");
        Ok(())
    }

    fn misbehave(&mut self, which: Index) -> Result<(), TestCaseError> {
        let known: Vec<_> = self.gateway.charges.values().map(|(call, _)| call.clone()).collect();
        if known.is_empty() {
            return Ok(());
        }
        self.misbehaved = true;
        let call = which.get(&known).clone();
        *self.gateway.wrong.entry(call.payment_id).or_default() += call.amount;
        let reference = format!("wrong_{}", self.next());
        self.tell(call.payment_id, call.attempt, Some(reference))
    }

    fn next(&mut self) -> u128 {
        self.counter += 1;
        1_000 + self.counter
    }
}
