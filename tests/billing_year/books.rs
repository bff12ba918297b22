//! The books, folded from the log by the domain's own rules, and what must hold of them at every position and moment.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use baeum_domain::{
    AnyEvent, Decider as _, Recorded,
    ids::{InvoiceId, PaymentId, SubscriptionId, UserId},
    money::{Currency, Money},
    subscription::{
        bill::Purpose,
        invoice,
        ledger::{self, Account},
        payment,
        subscription::{Event, Status, Subscription},
    },
};
use chrono::{DateTime, TimeDelta, Utc};

/// For how long nobody is served unpaid: the dunning, and the hours that timers may be late by.
const DUNNING: TimeDelta = TimeDelta::hours(7 * 24 + 12);

/// What the log says so far.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) position: i64,
    accounts: BTreeMap<(Currency, Account), i128>,
    pub(crate) subscriptions: HashMap<SubscriptionId, Subscription>,
    /// Until when each subscription is paid, and what the bills of its invoices are paid until.
    paid_until: HashMap<SubscriptionId, DateTime<Utc>>,
    billed: HashMap<InvoiceId, (SubscriptionId, DateTime<Utc>)>,
    /// Bills that are neither paid nor voided.
    open: BTreeMap<InvoiceId, Money>,
    pub(crate) last_payment: HashMap<UserId, (PaymentId, DateTime<Utc>)>,
    payers: HashMap<InvoiceId, UserId>,
    pub(crate) surplus: BTreeMap<PaymentId, usize>,
    pub(crate) captured: BTreeMap<PaymentId, usize>,
    counts: BTreeMap<&'static str, usize>,
}

/// What two years are compared by: every account, and where every subscription stands.
#[derive(PartialEq, Eq)]
pub(crate) struct Closing {
    accounts: BTreeMap<String, i128>,
    subscriptions: BTreeMap<String, (String, u32, i64)>,
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.accounts.iter().try_for_each(|(account, sum)| write!(f, "{account} {sum}; "))
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{:?}", self.subscriptions)
    }
}

impl Books {
    /// Takes an event in. Each movement balances, so the accounts add up to zero at each position.
    pub(crate) fn take(&mut self, event: &Recorded<AnyEvent>) {
        self.position = event.position;
        let movement = ledger::movement(&event.payload);
        assert_eq!(movement.imbalance(), BTreeMap::new(), "position {} does not balance", event.position);
        for entry in &movement.entries {
            let account = (entry.amount.currency(), entry.account.clone());
            *self.accounts.entry(account).or_default() += entry.signed();
        }
        *self.counts.entry(event.payload.event_type()).or_default() += 1;
        match &event.payload {
            AnyEvent::Subscription(event) => self.on_subscription(event),
            AnyEvent::Invoice(invoice::Event::InvoiceIssued { bill, subscriber, .. }) => {
                self.payers.insert(bill.invoice_id, *subscriber);
                self.open.insert(bill.invoice_id, bill.total);
            }
            AnyEvent::Invoice(invoice::Event::InvoicePaid { invoice_id, payment_id, at, .. }) => {
                self.open.remove(invoice_id);
                if let (Some(payment_id), Some(payer)) = (payment_id, self.payers.get(invoice_id)) {
                    self.last_payment.insert(*payer, (*payment_id, *at));
                }
            }
            AnyEvent::Invoice(invoice::Event::InvoiceVoided { invoice_id, .. }) => {
                self.open.remove(invoice_id);
            }
            AnyEvent::Payment(payment::Event::ChargeSucceeded { payment_id, .. }) => {
                *self.captured.entry(*payment_id).or_default() += 1;
            }
            AnyEvent::Payment(payment::Event::SurplusCharged { payment_id, .. }) => {
                *self.surplus.entry(*payment_id).or_default() += 1;
            }
            _ => {}
        }
        for currency in self.accounts.keys().map(|(currency, _)| *currency).collect::<Vec<_>>() {
            let of_currency = self.accounts.iter().filter(|((it, _), _)| *it == currency);
            let sum: i128 = of_currency.map(|(_, sum)| sum).sum();
            assert_eq!(sum, 0, "the books of {currency} do not add up at position {}", self.position);
        }
    }

    fn on_subscription(&mut self, event: &Event) {
        let id = match event {
            Event::SubscriptionStarted { subscription_id, period, bill, .. } => {
                if bill.is_none() {
                    self.paid_until.insert(*subscription_id, period.ends_at);
                }
                *subscription_id
            }
            Event::SubscriptionRenewed { subscription_id, .. }
            | Event::SubscriptionReactivated { subscription_id, .. }
            | Event::SubscriptionPlanChanged { subscription_id, .. }
            | Event::SubscriptionCouponApplied { subscription_id, .. }
            | Event::SubscriptionBillPaid { subscription_id, .. }
            | Event::SubscriptionBillVoided { subscription_id, .. }
            | Event::SubscriptionPastDue { subscription_id, .. }
            | Event::DunningNoticeDue { subscription_id, .. }
            | Event::SubscriptionPaused { subscription_id, .. }
            | Event::SubscriptionResumed { subscription_id, .. }
            | Event::SubscriptionCancellationScheduled { subscription_id, .. }
            | Event::SubscriptionCancellationWithdrawn { subscription_id, .. }
            | Event::SubscriptionCancelled { subscription_id, .. }
            | Event::SubscriptionExpired { subscription_id, .. } => *subscription_id,
            _ => return,
        };
        match event {
            Event::SubscriptionStarted { period, bill: Some(bill), .. }
            | Event::SubscriptionRenewed { period, bill, .. }
            | Event::SubscriptionReactivated { period, bill, .. } => self.bill(id, bill, period.ends_at),
            Event::SubscriptionPlanChanged { period, bill: Some(bill), effective_at, .. } => {
                if matches!(bill.purpose, Purpose::Period { .. }) {
                    self.paid_until.insert(id, *effective_at);
                }
                self.bill(id, bill, period.ends_at);
            }
            Event::SubscriptionBillPaid { invoice_id, .. } => {
                if let Some((_, until)) = self.billed.get(invoice_id) {
                    self.paid_until.insert(id, *until);
                }
            }
            Event::SubscriptionResumed { period, .. } => {
                self.paid_until.insert(id, period.ends_at);
            }
            _ => {}
        }
        self.subscriptions.entry(id).or_default().evolve(event);
    }

    fn bill(&mut self, id: SubscriptionId, bill: &baeum_domain::subscription::bill::Bill, until: DateTime<Utc>) {
        let before = self.billed.insert(bill.invoice_id, (id, until));
        assert!(before.is_none(), "invoice {} was billed twice", bill.invoice_id);
        if bill.total.is_zero() {
            self.paid_until.insert(id, until);
        }
    }

    /// What must hold at a moment at which nothing is left to do.
    pub(crate) fn check_at(&self, now: DateTime<Utc>) {
        for (id, subscription) in &self.subscriptions {
            if subscription.has_service(now) {
                let paid_until = self.paid_until.get(id).copied().unwrap_or(DateTime::UNIX_EPOCH);
                assert!(now < paid_until + DUNNING, "{id} is served at {now}, paid until {paid_until}");
            }
            let contract = subscription.contract.as_ref().expect("started");
            if contract.status == Status::Cancelled {
                assert!(contract.open.is_none(), "{id} is cancelled and owes something");
            }
        }
        let owed = |currency: Currency| {
            let of_currency = self.open.values().filter(|total| total.currency() == currency);
            of_currency.map(|total| i128::from(total.minor())).sum::<i128>()
        };
        for ((currency, account), sum) in &self.accounts {
            match account {
                Account::Receivable => assert_eq!(*sum, owed(*currency), "what is owed in {currency}"),
                Account::Surplus => assert_eq!(*sum, 0, "a surplus in {currency} was not given back at {now}"),
                _ => {}
            }
        }
    }

    /// What lies with the gateway, by currency in lower case.
    pub(crate) fn with_gateway(&self) -> BTreeMap<String, i128> {
        let of_gateway = self.accounts.iter().filter(|((_, account), _)| *account == Account::Gateway);
        of_gateway.map(|((currency, _), sum)| (currency.code().to_ascii_lowercase(), *sum)).collect()
    }

    pub(crate) fn count(&self, event_type: &str) -> usize {
        self.counts.get(event_type).copied().unwrap_or(0)
    }

    pub(crate) fn close(&self) -> Closing {
        let accounts = self.accounts.iter().map(|((currency, account), sum)| (format!("{currency} {account:?}"), *sum));
        let subscriptions = self.subscriptions.iter().map(|(id, subscription)| {
            let contract = subscription.contract.as_ref().expect("started");
            let stands = (contract.status.to_string(), contract.period.number, contract.account_credit.minor());
            (id.to_string(), stands)
        });
        Closing { accounts: accounts.collect(), subscriptions: subscriptions.collect() }
    }
}
