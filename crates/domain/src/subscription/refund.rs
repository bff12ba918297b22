//! A refund: money of one charge that is given back, in whole or in part.
//!
//! Life cycle: requested within policy; sent to the gateway once its payment has reserved it, or rejected; then succeeded
//! or failed. Invariants: no more than the policy allows; sent under one idempotency key, however often; a surplus charge
//! is given back in whole, whatever the policy says. That no more is given back than was paid is held by the payment.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use crate::{
    decider::{Decider, DomainEvent},
    ids::{PaymentId, RefundId, derive_id},
    money::{Money, MoneyError},
    text::{self, TextError},
};

/// How long what a gateway says of a refund may be, in characters.
pub const REFERENCE_LIMIT: usize = 200;

/// Why money is asked back. What people write about it is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// They changed their mind.
    NotWanted,
    /// Something did not work.
    Fault,
    /// It was bought by mistake.
    Mistake,
    /// The charge must not have been.
    Surplus,
}

/// The key under which the gateway must be asked for a refund, however often it is asked.
pub fn idempotency_key(refund_id: RefundId) -> String {
    derive_id(&["refund", &refund_id.to_string()]).to_string()
}

/// The id of the refund of a surplus charge: the first is `attempt` 1; the next follows when the gateway failed that one.
pub fn id_of_surplus(payment_id: PaymentId, reference: &str, attempt: u32) -> RefundId {
    RefundId(derive_id(&["refund", "surplus", &payment_id.to_string(), reference, &attempt.to_string()]))
}

/// How much of what was paid can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundPolicy {
    /// For so many days of 24 hours after payment, all of it.
    pub whole_days: u16,
    /// Whether afterwards the time of the period that is not used is given back.
    pub unused_time: bool,
}

impl Default for RefundPolicy {
    fn default() -> Self {
        Self { whole_days: 14, unused_time: false }
    }
}

/// What was paid, as far as the policy needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// What was paid.
    pub paid: Money,
    /// What of it was given back or reserved to be.
    pub refunded: Money,
    /// When it was paid.
    pub paid_at: DateTime<Utc>,
    /// The period that it was for, where it was for one.
    pub period: Option<Period>,
}

impl RefundPolicy {
    /// What can be given back of `purchase` at the moment `at`, not negative.
    ///
    /// # Errors
    /// Amounts of two currencies.
    pub fn refundable(&self, purchase: &Purchase, at: DateTime<Utc>) -> Result<Money, MoneyError> {
        let none = Money::zero(purchase.paid.currency());
        let of = if at < purchase.paid_at + TimeDelta::days(self.whole_days.into()) {
            purchase.paid
        } else {
            let period = purchase.period.filter(|_| self.unused_time);
            period.map_or(none, |period| purchase.paid.portion(period.seconds_left(at), period.seconds_all()))
        };
        let left = of.minus(purchase.refunded)?;
        Ok(if left.is_negative() { none } else { left })
    }
}

/// Why money is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The subscriber asks for it, within this policy.
    Policy(RefundPolicy, Purchase),
    /// The charge must not have been: its amount.
    Surplus(Money),
}

/// What can have happened to a refund.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Money is to be given back.
    RefundRequested {
        /// The refund.
        refund_id: RefundId,
        /// The payment.
        payment_id: PaymentId,
        /// The charge.
        reference: String,
        /// How much.
        amount: Money,
        /// Whether the charge was a surplus.
        surplus: bool,
        /// Why.
        reason: Reason,
        /// When.
        at: DateTime<Utc>,
    },
    /// The gateway is to be asked for it.
    RefundSent {
        /// The refund.
        refund_id: RefundId,
        /// The charge.
        reference: String,
        /// How much.
        amount: Money,
        /// The key to ask under.
        idempotency_key: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// It will not be: the payment had not enough left.
    RefundRejected {
        /// The refund.
        refund_id: RefundId,
        /// The payment.
        payment_id: PaymentId,
    },
    /// The money was given back.
    RefundSucceeded {
        /// The refund.
        refund_id: RefundId,
        /// The payment.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// Whether the charge was a surplus.
        surplus: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// The gateway did not give it back, and will not.
    RefundFailed {
        /// The refund.
        refund_id: RefundId,
        /// The payment.
        payment_id: PaymentId,
        /// The gateway's code of the reason.
        code: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A refund, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// Set once requested.
    pub request: Option<Request>,
}

/// A requested refund.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment_id: PaymentId,
    /// The charge.
    pub reference: String,
    /// How much.
    pub amount: Money,
    /// Whether the charge was a surplus.
    pub surplus: bool,
    /// How far it is.
    pub stage: Stage,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Waits for the reserve of its payment.
    Requested,
    /// The gateway is asked.
    Sent,
    /// It will not be.
    Rejected,
    /// Given back.
    Succeeded,
    /// Not given back.
    Failed,
}

/// What can be asked of a refund.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask for it.
    Request {
        /// The new refund.
        refund_id: RefundId,
        /// The payment.
        payment_id: PaymentId,
        /// The charge.
        reference: String,
        /// How much.
        amount: Money,
        /// On what ground.
        ground: Ground,
        /// Why.
        reason: Reason,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Send it, after its payment has reserved it. The gateway is called for [`Event::RefundSent`], not for this.
    Send {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Give it up, because its payment refused the reserve.
    Reject,
    /// The gateway gave it back.
    RecordSuccess {
        /// Now.
        at: DateTime<Utc>,
    },
    /// The gateway refused it for good.
    RecordFailure {
        /// The gateway's code of the reason.
        code: String,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such refund.
    #[error("there is no such refund: request it first")]
    NotRequested,
    /// It was requested otherwise.
    #[error("refund {0} was requested for another charge or amount")]
    AlreadyRequested(RefundId),
    /// The policy does not allow so much.
    #[error("{asked} cannot be refunded: the policy allows {allowed} now")]
    BeyondPolicy {
        /// What was asked for.
        asked: Money,
        /// What is allowed.
        allowed: Money,
    },
    /// A surplus is given back in whole.
    #[error("{asked} is not the whole of the surplus charge of {charged}: refund that")]
    PartOfSurplus {
        /// What was asked for.
        asked: Money,
        /// What was charged.
        charged: Money,
    },
    /// It is at another stage.
    #[error("refund {0} is {1}: {2}")]
    WrongStage(RefundId, Stage, &'static str),
    /// A text that cannot be recorded.
    #[error("refund {0} cannot be recorded: {1}")]
    Text(RefundId, TextError),
    /// The amounts do not go together.
    #[error("refund {0}: {1}")]
    Money(RefundId, MoneyError),
}

impl Decider for Refund {
    const AGGREGATE: &'static str = "refund";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.request) {
            (Command::Request { refund_id, payment_id, reference, amount, ground, reason, at }, None) => {
                let surplus = check(refund_id, amount, ground, at)?;
                let reference = text::check(&reference, REFERENCE_LIMIT);
                let reference = reference.map_err(|error| Error::Text(refund_id, error))?.to_owned();
                Ok(vec![Event::RefundRequested { refund_id, payment_id, reference, amount, surplus, reason, at }])
            }
            (Command::Request { refund_id, payment_id, reference, amount, .. }, Some(request)) => {
                let same = refund_id == request.refund_id && payment_id == request.payment_id;
                let same = same && reference.trim() == request.reference && amount == request.amount;
                if same { Ok(vec![]) } else { Err(Error::AlreadyRequested(request.refund_id)) }
            }
            (_, None) => Err(Error::NotRequested),
            (Command::Send { at }, Some(request)) => request.send(at),
            (Command::Reject, Some(request)) => request.reject(),
            (Command::RecordSuccess { at }, Some(request)) => request.record_success(at),
            (Command::RecordFailure { code, at }, Some(request)) => request.record_failure(&code, at),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::RefundRequested { refund_id, payment_id, reference, amount, surplus, .. } = event {
            self.request = Some(Request {
                refund_id: *refund_id,
                payment_id: *payment_id,
                reference: reference.clone(),
                amount: *amount,
                surplus: *surplus,
                stage: Stage::Requested,
            });
            return;
        }
        let Some(request) = &mut self.request else { return };
        request.stage = match event {
            Event::RefundRequested { .. } => Stage::Requested,
            Event::RefundSent { .. } => Stage::Sent,
            Event::RefundRejected { .. } => Stage::Rejected,
            Event::RefundSucceeded { .. } => Stage::Succeeded,
            Event::RefundFailed { .. } => Stage::Failed,
        };
    }
}

impl Request {
    fn send(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let refund_id = self.refund_id;
        match self.stage {
            Stage::Requested => Ok(vec![Event::RefundSent {
                refund_id,
                reference: self.reference.clone(),
                amount: self.amount,
                idempotency_key: idempotency_key(refund_id),
                at,
            }]),
            Stage::Sent | Stage::Succeeded | Stage::Failed => Ok(vec![]),
            Stage::Rejected => Err(Error::WrongStage(refund_id, self.stage, "request another")),
        }
    }

    fn reject(&self) -> Result<Vec<Event>, Error> {
        let (refund_id, payment_id) = (self.refund_id, self.payment_id);
        match self.stage {
            Stage::Requested => Ok(vec![Event::RefundRejected { refund_id, payment_id }]),
            Stage::Rejected => Ok(vec![]),
            stage => Err(Error::WrongStage(refund_id, stage, "it cannot be given up any more")),
        }
    }

    fn record_success(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (refund_id, payment_id) = (self.refund_id, self.payment_id);
        match self.stage {
            Stage::Sent => {
                let (amount, surplus) = (self.amount, self.surplus);
                Ok(vec![Event::RefundSucceeded { refund_id, payment_id, amount, surplus, at }])
            }
            Stage::Succeeded => Ok(vec![]),
            stage => Err(Error::WrongStage(refund_id, stage, "look into it with the gateway")),
        }
    }

    fn record_failure(&self, code: &str, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (refund_id, payment_id) = (self.refund_id, self.payment_id);
        match self.stage {
            Stage::Sent => {
                let code =
                    text::check(code, REFERENCE_LIMIT).map_err(|error| Error::Text(refund_id, error))?.to_owned();
                Ok(vec![Event::RefundFailed { refund_id, payment_id, code, at }])
            }
            Stage::Failed => Ok(vec![]),
            stage => Err(Error::WrongStage(refund_id, stage, "look into it with the gateway")),
        }
    }
}

/// Whether it is of a surplus charge.
fn check(refund_id: RefundId, amount: Money, ground: Ground, at: DateTime<Utc>) -> Result<bool, Error> {
    match ground {
        Ground::Surplus(charged) if charged == amount => Ok(true),
        Ground::Surplus(charged) => Err(Error::PartOfSurplus { asked: amount, charged }),
        Ground::Policy(policy, purchase) => {
            let allowed = policy.refundable(&purchase, at).map_err(|error| Error::Money(refund_id, error))?;
            let rest = allowed.minus(amount).map_err(|error| Error::Money(refund_id, error))?;
            let within = amount.is_positive() && !rest.is_negative();
            if within { Ok(false) } else { Err(Error::BeyondPolicy { asked: amount, allowed }) }
        }
    }
}

#[cfg(test)]
mod tests;
