//! The payment of an invoice: every attempt to charge it, and what of it was given back.
//!
//! Life cycle: requested with the moments of its attempts; attempted until a charge succeeds or the payment is closed;
//! then refunded in parts, up to the whole.
//!
//! An attempt is recorded *before* the gateway is called, with the idempotency key that the call must carry. Invariants:
//! - While the outcome of an attempt is not known, there is no other one: an answer that was lost is asked for again
//!   under the same key, for which the gateway charges once.
//! - After a charge succeeded, or after the payment was closed, none is attempted.
//! - Should the gateway report a charge that it must not have made (a failed attempt that succeeded after all, a second
//!   charge under one key), it is a surplus: never a second payment, and to be refunded in whole.
//! - Of each charge, no more is refunded or reserved for refunds than was charged.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::{InvoiceId, PaymentId, RefundId, derive_id},
    money::{Money, MoneyError},
    text::TextError,
};

mod rules;

/// How often an invoice is charged at most, by schedule and by subscriber together.
pub const MAX_ATTEMPTS: u32 = 20;
/// How long what a gateway says of a charge may be, in characters.
pub const REFERENCE_LIMIT: usize = 200;

/// The key under which the gateway must be asked for an attempt, however often it is asked.
pub fn idempotency_key(payment_id: PaymentId, attempt: u32) -> String {
    derive_id(&["charge", &payment_id.to_string(), &attempt.to_string()]).to_string()
}

/// Who had a charge attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// Its schedule.
    Schedule,
    /// The subscriber, for instance with another card. Does not use up the schedule.
    Subscriber,
}

/// What a gateway says of an attempt, when it is certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The money was taken.
    Succeeded {
        /// The gateway's name of the charge.
        reference: String,
    },
    /// It was not, and will not be.
    Failed {
        /// The gateway's code of the reason.
        code: String,
    },
}

/// What can have happened to a payment.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// An invoice is to be paid.
    PaymentRequested {
        /// The payment.
        payment_id: PaymentId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// What is to be charged.
        amount: Money,
        /// When it is attempted, and again after each failure.
        attempts_at: Vec<DateTime<Utc>>,
    },
    /// The gateway is to be asked for a charge.
    ChargeAttempted {
        /// The payment.
        payment_id: PaymentId,
        /// Which attempt, from 1.
        attempt: u32,
        /// Who asked for it.
        asked_by: AskedBy,
        /// The key to ask under.
        idempotency_key: String,
        /// What is to be charged.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// The money was taken.
    ChargeSucceeded {
        /// The payment.
        payment_id: PaymentId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// Which attempt.
        attempt: u32,
        /// The gateway's name of the charge.
        reference: String,
        /// What was charged.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// The money was not taken.
    ChargeFailed {
        /// The payment.
        payment_id: PaymentId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// Which attempt.
        attempt: u32,
        /// The gateway's code of the reason.
        code: String,
        /// When it is attempted again; never, when that was the last time.
        next_attempt_at: Option<DateTime<Utc>>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Money was taken that must not have been, and is to be refunded.
    SurplusCharged {
        /// The payment.
        payment_id: PaymentId,
        /// Which attempt.
        attempt: u32,
        /// The gateway's name of the charge.
        reference: String,
        /// What was charged.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// No charge is attempted any more.
    PaymentClosed {
        /// The payment.
        payment_id: PaymentId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A part of a charge was set aside for a refund.
    RefundReserved {
        /// The payment.
        payment_id: PaymentId,
        /// The refund.
        refund_id: RefundId,
        /// The charge.
        reference: String,
        /// How much.
        amount: Money,
    },
    /// The refund will not be; what was set aside for it is free again.
    RefundReleased {
        /// The payment.
        payment_id: PaymentId,
        /// The refund.
        refund_id: RefundId,
    },
    /// The refund was made.
    RefundSettled {
        /// The payment.
        payment_id: PaymentId,
        /// The refund.
        refund_id: RefundId,
        /// How much.
        amount: Money,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A payment, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Set once requested.
    pub collection: Option<Collection>,
}

/// A requested payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// The payment.
    pub payment_id: PaymentId,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// What each charge takes.
    pub amount: Money,
    /// When it is attempted.
    pub attempts_at: Vec<DateTime<Utc>>,
    /// Attempts begun.
    pub begun: u32,
    /// The attempt whose outcome is not known, and who asked for it.
    pub in_flight: Option<(u32, AskedBy)>,
    /// Attempts of the schedule that failed.
    pub scheduled_failed: usize,
    /// Charges that took money, by the gateway's name, with their attempt.
    pub charges: BTreeMap<String, u32>,
    /// The charge that paid the invoice.
    pub captured: Option<String>,
    /// Whether no charge is attempted any more.
    pub closed: bool,
    /// Refunds of its charges.
    pub refunds: BTreeMap<RefundId, Reserve>,
}

/// What was set aside for a refund.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reserve {
    /// The charge.
    pub reference: String,
    /// How much.
    pub amount: Money,
    /// What became of it.
    pub state: ReserveState,
}

/// What became of a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReserveState {
    /// Set aside.
    Held,
    /// Free again.
    Released,
    /// Given back.
    Settled,
}

/// What can be asked of a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin to collect an invoice.
    Request {
        /// The payment.
        payment_id: PaymentId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// What is to be charged, more than nothing.
        amount: Money,
        /// When it is attempted, ascending.
        attempts_at: Vec<DateTime<Utc>>,
    },
    /// Attempt a charge. The gateway is called for [`Event::ChargeAttempted`], not for this.
    BeginCharge {
        /// Which attempt, from 1.
        attempt: u32,
        /// Who asks for it.
        asked_by: AskedBy,
        /// Now.
        at: DateTime<Utc>,
    },
    /// The gateway gave the outcome of an attempt, in its answer or in a call of its own, as often as it likes.
    RecordCharge {
        /// Which attempt.
        attempt: u32,
        /// What came of it.
        outcome: ChargeOutcome,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Attempt no more. What a charge on its way still takes is then a surplus.
    Close {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Set a part of a charge aside, before the gateway is asked to give it back.
    ReserveRefund {
        /// The refund.
        refund_id: RefundId,
        /// The charge.
        reference: String,
        /// How much, more than nothing.
        amount: Money,
    },
    /// The refund will not be.
    ReleaseRefund {
        /// The refund.
        refund_id: RefundId,
    },
    /// The refund was made.
    SettleRefund {
        /// The refund.
        refund_id: RefundId,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such payment.
    #[error("there is no such payment: request it first")]
    NotRequested,
    /// It was requested otherwise.
    #[error("payment {0} was requested for another invoice or amount")]
    AlreadyRequested(PaymentId),
    /// It cannot be requested so.
    #[error("payment {0} is not possible: {1}")]
    Impossible(PaymentId, &'static str),
    /// The outcome of an attempt is not known.
    #[error("the outcome of attempt {1} of payment {0} is not known: ask the gateway under the key of that attempt")]
    InFlight(PaymentId, u32),
    /// It is not that attempt's turn.
    #[error("attempt {attempt} of payment {payment_id} is not the next: that is {next}")]
    NotNext {
        /// The payment.
        payment_id: PaymentId,
        /// What was asked for.
        attempt: u32,
        /// What can be asked for.
        next: u32,
    },
    /// The schedule has not come that far.
    #[error("payment {0} is not to be charged before {1}")]
    TooEarly(PaymentId, DateTime<Utc>),
    /// It was attempted too often.
    #[error("payment {0} was attempted {MAX_ATTEMPTS} times, which is the limit: start a new subscription")]
    TooManyAttempts(PaymentId),
    /// The money was taken.
    #[error("payment {0} has succeeded: refund it instead")]
    Succeeded(PaymentId),
    /// It is closed.
    #[error("payment {0} is closed: nothing is charged any more")]
    Closed(PaymentId),
    /// An attempt that was never begun cannot have an outcome.
    #[error("attempt {1} of payment {0} was never begun")]
    NotBegun(PaymentId, u32),
    /// What the gateway says is no reference or code.
    #[error("what the gateway says of payment {0} cannot be recorded: {1}")]
    Reference(PaymentId, TextError),
    /// No such charge.
    #[error("payment {0} has no charge '{1}'")]
    UnknownCharge(PaymentId, String),
    /// More than is left of the charge.
    #[error("{asked} cannot be refunded of payment {payment_id}: {left} are left")]
    TooMuch {
        /// The payment.
        payment_id: PaymentId,
        /// What was asked for.
        asked: Money,
        /// What is left.
        left: Money,
    },
    /// No such refund was reserved.
    #[error("refund {1} was not reserved on payment {0}")]
    UnknownRefund(PaymentId, RefundId),
    /// The refund went the other way.
    #[error("refund {1} of payment {0} was {2} before")]
    RefundDecided(PaymentId, RefundId, &'static str),
    /// The amounts do not go together.
    #[error("payment {0}: {1}")]
    Money(PaymentId, MoneyError),
}

impl Decider for Payment {
    const AGGREGATE: &'static str = "payment";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.collection) {
            (Command::Request { payment_id, invoice_id, amount, attempts_at }, None) => {
                rules::request(payment_id, invoice_id, amount, attempts_at)
            }
            (Command::Request { payment_id, invoice_id, amount, .. }, Some(collection)) => {
                let asked = (payment_id, invoice_id, amount);
                let same = asked == (collection.payment_id, collection.invoice_id, collection.amount);
                if same { Ok(vec![]) } else { Err(Error::AlreadyRequested(collection.payment_id)) }
            }
            (_, None) => Err(Error::NotRequested),
            (Command::BeginCharge { attempt, asked_by, at }, Some(collection)) => {
                collection.begin_charge(attempt, asked_by, at)
            }
            (Command::RecordCharge { attempt, outcome, at }, Some(collection)) => {
                collection.record_charge(attempt, outcome, at)
            }
            (Command::Close { at }, Some(collection)) => collection.close(at),
            (Command::ReserveRefund { refund_id, reference, amount }, Some(collection)) => {
                collection.reserve_refund(refund_id, reference, amount)
            }
            (Command::ReleaseRefund { refund_id }, Some(collection)) => collection.release_refund(refund_id),
            (Command::SettleRefund { refund_id }, Some(collection)) => collection.settle_refund(refund_id),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::PaymentRequested { payment_id, invoice_id, amount, attempts_at } = event {
            self.collection = Some(Collection {
                payment_id: *payment_id,
                invoice_id: *invoice_id,
                amount: *amount,
                attempts_at: attempts_at.clone(),
                begun: 0,
                in_flight: None,
                scheduled_failed: 0,
                charges: BTreeMap::new(),
                captured: None,
                closed: false,
                refunds: BTreeMap::new(),
            });
            return;
        }
        let Some(collection) = &mut self.collection else { return };
        match event {
            Event::PaymentRequested { .. } => {}
            Event::ChargeAttempted { attempt, asked_by, .. } => {
                collection.begun = *attempt;
                collection.in_flight = Some((*attempt, *asked_by));
            }
            Event::ChargeSucceeded { attempt, reference, .. } => {
                collection.charges.insert(reference.clone(), *attempt);
                collection.captured = Some(reference.clone());
                collection.in_flight = None;
            }
            Event::ChargeFailed { .. } => {
                if let Some((_, AskedBy::Schedule)) = collection.in_flight {
                    collection.scheduled_failed += 1;
                }
                collection.in_flight = None;
            }
            Event::SurplusCharged { attempt, reference, .. } => {
                collection.charges.insert(reference.clone(), *attempt);
                if collection.in_flight.is_some_and(|(in_flight, _)| in_flight == *attempt) {
                    collection.in_flight = None;
                }
            }
            Event::PaymentClosed { .. } => collection.closed = true,
            Event::RefundReserved { refund_id, reference, amount, .. } => {
                let reserve = Reserve { reference: reference.clone(), amount: *amount, state: ReserveState::Held };
                collection.refunds.insert(*refund_id, reserve);
            }
            Event::RefundReleased { refund_id, .. } => collection.decide_reserve(*refund_id, ReserveState::Released),
            Event::RefundSettled { refund_id, .. } => collection.decide_reserve(*refund_id, ReserveState::Settled),
        }
    }
}

#[cfg(test)]
mod tests;
