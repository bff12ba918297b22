//! An invoice: a bill that was sent, and what became of it.
//!
//! Life cycle: issued, then paid or voided. Invariants: its id is that of what it is for, so nothing is invoiced twice;
//! its bill adds up; it is paid in whole, by one payment; a paid one is never voided and a voided one never paid. It is
//! voided only after its payment was closed, so that no charge of it can succeed any more.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bill::{Bill, BillError};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{InvoiceId, PaymentId, UserId},
    money::Money,
};

/// Why an invoice was voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// What it was for was cancelled.
    Cancelled,
    /// The dunning ended without payment.
    Unpaid,
}

/// What can have happened to an invoice.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "events are read once and matched at once")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The invoice was sent.
    InvoiceIssued {
        /// Who is to pay it.
        subscriber: UserId,
        /// What is to be paid, and why.
        bill: Bill,
        /// When it was issued.
        at: DateTime<Utc>,
    },
    /// It was paid.
    InvoicePaid {
        /// The invoice.
        invoice_id: InvoiceId,
        /// By what; nothing where there was nothing to pay.
        payment_id: Option<PaymentId>,
        /// What was paid.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was given up.
    InvoiceVoided {
        /// The invoice.
        invoice_id: InvoiceId,
        /// Why.
        reason: VoidReason,
        /// The bill that does not count any more.
        bill: Bill,
        /// When.
        at: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// An invoice, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Invoice {
    /// Set once issued.
    pub claim: Option<Claim>,
}

/// An issued invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// What is to be paid.
    pub bill: Bill,
    /// What became of it.
    pub outcome: Option<Outcome>,
}

/// What became of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Paid, by this payment where there was something to pay.
    Paid(Option<PaymentId>),
    /// Given up.
    Voided,
}

/// What can be asked of an invoice.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send it. Where nothing is to be paid, it is paid at once.
    Issue {
        /// Who is to pay it.
        subscriber: UserId,
        /// What is to be paid.
        bill: Bill,
        /// Now.
        at: DateTime<Utc>,
    },
    /// A charge succeeded.
    RecordPayment {
        /// The payment.
        payment_id: PaymentId,
        /// What was charged.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// Give it up. Comes after its payment was closed.
    Void {
        /// Why.
        reason: VoidReason,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such invoice.
    #[error("there is no such invoice: issue it first")]
    NotIssued,
    /// It was issued with another bill.
    #[error("invoice {0} was issued with another bill, and an invoice never changes")]
    AlreadyIssued(InvoiceId),
    /// The bill is wrong.
    #[error("the invoice cannot be issued: {0}")]
    Bill(#[from] BillError),
    /// The payment is of another amount.
    #[error("invoice {invoice_id} asks for {total}, {amount} was paid: record the charge of the whole")]
    OtherAmount {
        /// The invoice.
        invoice_id: InvoiceId,
        /// What it asks for.
        total: Money,
        /// What was paid.
        amount: Money,
    },
    /// Another payment paid it.
    #[error("invoice {0} was paid by another payment: refund payment {1}")]
    PaidBefore(InvoiceId, PaymentId),
    /// It was paid.
    #[error("invoice {0} is paid and cannot be voided: refund its payment instead")]
    Paid(InvoiceId),
    /// It was voided.
    #[error("invoice {0} is voided and cannot be paid: refund payment {1}")]
    Voided(InvoiceId, PaymentId),
}

impl Decider for Invoice {
    const AGGREGATE: &'static str = "invoice";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.claim) {
            (Command::Issue { subscriber, bill, at }, None) => {
                bill.check()?;
                let paid = bill.total.is_zero().then_some(Event::InvoicePaid {
                    invoice_id: bill.invoice_id,
                    payment_id: None,
                    amount: bill.total,
                    at,
                });
                Ok([Event::InvoiceIssued { subscriber, bill, at }].into_iter().chain(paid).collect())
            }
            (Command::Issue { bill, .. }, Some(claim)) if claim.bill == bill => Ok(vec![]),
            (Command::Issue { .. }, Some(claim)) => Err(Error::AlreadyIssued(claim.bill.invoice_id)),
            (_, None) => Err(Error::NotIssued),
            (Command::RecordPayment { payment_id, amount, at }, Some(claim)) => {
                claim.record_payment(payment_id, amount, at)
            }
            (Command::Void { reason, at }, Some(Claim { bill, outcome: None })) => {
                Ok(vec![Event::InvoiceVoided { invoice_id: bill.invoice_id, reason, bill: bill.clone(), at }])
            }
            (Command::Void { .. }, Some(Claim { outcome: Some(Outcome::Voided), .. })) => Ok(vec![]),
            (Command::Void { .. }, Some(claim)) => Err(Error::Paid(claim.bill.invoice_id)),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.claim) {
            (Event::InvoiceIssued { bill, .. }, claim) => *claim = Some(Claim { bill: bill.clone(), outcome: None }),
            (Event::InvoicePaid { payment_id, .. }, Some(claim)) => claim.outcome = Some(Outcome::Paid(*payment_id)),
            (Event::InvoiceVoided { .. }, Some(claim)) => claim.outcome = Some(Outcome::Voided),
            (Event::InvoicePaid { .. } | Event::InvoiceVoided { .. }, None) => {}
        }
    }
}

impl Claim {
    fn record_payment(&self, payment_id: PaymentId, amount: Money, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (invoice_id, total) = (self.bill.invoice_id, self.bill.total);
        match self.outcome {
            Some(Outcome::Paid(Some(by))) if by == payment_id => Ok(vec![]),
            Some(Outcome::Paid(_)) => Err(Error::PaidBefore(invoice_id, payment_id)),
            Some(Outcome::Voided) => Err(Error::Voided(invoice_id, payment_id)),
            None if amount == total => {
                Ok(vec![Event::InvoicePaid { invoice_id, payment_id: Some(payment_id), amount, at }])
            }
            None => Err(Error::OtherAmount { invoice_id, total, amount }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        money::samples::money,
        spec::given,
        subscription::bill::{payment_id, samples::bill},
    };

    const SUBSCRIBER: UserId = UserId(uuid::Uuid::from_u128(1));

    fn now() -> DateTime<Utc> {
        "2026-01-30T15:00:01Z".parse().expect("a moment")
    }

    fn usd(minor: i64) -> Bill {
        bill(money(minor, "USD"), money(0, "USD"))
    }

    fn issue(bill: Bill) -> Command {
        Command::Issue { subscriber: SUBSCRIBER, bill, at: now() }
    }

    fn issued(bill: Bill) -> Event {
        Event::InvoiceIssued { subscriber: SUBSCRIBER, bill, at: now() }
    }

    fn pay(minor: i64) -> Command {
        let payment_id = payment_id(usd(990).invoice_id);
        Command::RecordPayment { payment_id, amount: money(minor, "USD"), at: now() }
    }

    fn paid() -> Event {
        let invoice_id = usd(990).invoice_id;
        let payment_id = Some(payment_id(invoice_id));
        Event::InvoicePaid { invoice_id, payment_id, amount: money(990, "USD"), at: now() }
    }

    #[test]
    fn an_invoice_is_issued_once_and_never_changes() {
        given::<Invoice>([]).when(issue(usd(990))).then([issued(usd(990))]);
        given::<Invoice>([issued(usd(990))]).when(issue(usd(1))).then_refused("never changes");
        let wrong = Bill { total: money(1, "USD"), ..usd(990) };
        given::<Invoice>([]).when(issue(wrong)).then_refused("do not make its total");
    }

    #[test]
    fn where_nothing_is_to_be_paid_it_is_paid_at_once() {
        let free = bill(money(990, "USD"), money(990, "USD"));
        let invoice_id = free.invoice_id;
        let paid = Event::InvoicePaid { invoice_id, payment_id: None, amount: money(0, "USD"), at: now() };
        given::<Invoice>([]).when(issue(free.clone())).then([issued(free), paid]);
    }

    #[test]
    fn it_is_paid_in_whole_and_once() {
        given::<Invoice>([issued(usd(990))]).when(pay(990)).then([paid()]);
        given::<Invoice>([issued(usd(990))]).when(pay(989)).then_refused("asks for 9.90 USD, 9.89 USD was paid");
        let other = Command::RecordPayment {
            payment_id: PaymentId(uuid::Uuid::from_u128(9)),
            amount: money(990, "USD"),
            at: now(),
        };
        given::<Invoice>([issued(usd(990)), paid()]).when(other).then_refused("paid by another payment");
    }

    #[test]
    fn what_is_paid_is_not_voided_and_what_is_voided_is_not_paid() {
        let void = Command::Void { reason: VoidReason::Unpaid, at: now() };
        let (invoice_id, bill) = (usd(990).invoice_id, usd(990));
        let voided = Event::InvoiceVoided { invoice_id, reason: VoidReason::Unpaid, bill, at: now() };
        given::<Invoice>([issued(usd(990))]).when(void.clone()).then([voided.clone()]);
        given::<Invoice>([issued(usd(990)), paid()]).when(void).then_refused("refund its payment instead");
        given::<Invoice>([issued(usd(990)), voided]).when(pay(990)).then_refused("voided and cannot be paid");
    }
}
