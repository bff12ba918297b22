//! The rules of a payment, a function a command.

use chrono::{DateTime, Utc};

use super::{
    AskedBy, ChargeOutcome, Collection, Error, Event, MAX_ATTEMPTS, REFERENCE_LIMIT, ReserveState, idempotency_key,
};
use crate::{
    ids::{InvoiceId, PaymentId, RefundId},
    money::Money,
    subscription::bill,
    text,
};

pub(super) fn request(
    payment_id: PaymentId,
    invoice_id: InvoiceId,
    amount: Money,
    attempts_at: Vec<DateTime<Utc>>,
) -> Result<Vec<Event>, Error> {
    let impossible = |reason| Err(Error::Impossible(payment_id, reason));
    if payment_id != bill::payment_id(invoice_id) {
        return impossible("an invoice has one payment, whose id is derived from its own");
    }
    if !amount.is_positive() {
        return impossible("there is nothing to charge");
    }
    if attempts_at.is_empty() || attempts_at.windows(2).any(|pair| pair[0] >= pair[1]) {
        return impossible("give at least one moment to charge it, in ascending order");
    }
    Ok(vec![Event::PaymentRequested { payment_id, invoice_id, amount, attempts_at }])
}

impl Collection {
    /// When the schedule attempts it next, or `None` when it does not any more.
    pub fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        if self.closed || self.captured.is_some() || self.in_flight.is_some() {
            return None;
        }
        self.attempts_at.get(self.scheduled_failed).copied()
    }

    /// What of a charge is neither refunded nor reserved, nothing for one that is not known.
    pub fn refundable(&self, reference: &str) -> Money {
        let none = Money::zero(self.amount.currency());
        if !self.charges.contains_key(reference) {
            return none;
        }
        let used = self.refunds.values().filter(|it| it.reference == reference && it.state != ReserveState::Released);
        let used = Money::sum(none.currency(), used.map(|it| it.amount));
        used.and_then(|used| self.amount.minus(used)).unwrap_or(none)
    }

    pub(super) fn begin_charge(&self, attempt: u32, asked_by: AskedBy, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let payment_id = self.payment_id;
        if (1..=self.begun).contains(&attempt) {
            return Ok(vec![]);
        }
        if self.captured.is_some() {
            return Err(Error::Succeeded(payment_id));
        }
        if self.closed {
            return Err(Error::Closed(payment_id));
        }
        if let Some((in_flight, _)) = self.in_flight {
            return Err(Error::InFlight(payment_id, in_flight));
        }
        if attempt != self.begun + 1 {
            return Err(Error::NotNext { payment_id, attempt, next: self.begun + 1 });
        }
        if attempt > MAX_ATTEMPTS {
            return Err(Error::TooManyAttempts(payment_id));
        }
        if asked_by == AskedBy::Schedule
            && let Some(due) = self.attempts_at.get(self.scheduled_failed)
            && at < *due
        {
            return Err(Error::TooEarly(payment_id, *due));
        }
        let (idempotency_key, amount) = (idempotency_key(payment_id, attempt), self.amount);
        Ok(vec![Event::ChargeAttempted { payment_id, attempt, asked_by, idempotency_key, amount, at }])
    }

    pub(super) fn record_charge(
        &self,
        attempt: u32,
        outcome: ChargeOutcome,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        let (payment_id, invoice_id, amount) = (self.payment_id, self.invoice_id, self.amount);
        if !(1..=self.begun).contains(&attempt) {
            return Err(Error::NotBegun(payment_id, attempt));
        }
        let checked = |text: &str| match text::check(text, REFERENCE_LIMIT) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Error::Reference(payment_id, error)),
        };
        let awaited = self.in_flight.filter(|(in_flight, _)| *in_flight == attempt);
        match outcome {
            ChargeOutcome::Succeeded { reference } => {
                let reference = checked(&reference)?;
                if self.charges.contains_key(&reference) {
                    return Ok(vec![]);
                }
                // A charge that was reported to have failed pays after all, unless something else does or may.
                let pays = self.captured.is_none() && !self.closed && (awaited.is_some() || self.in_flight.is_none());
                Ok(vec![if pays {
                    Event::ChargeSucceeded { payment_id, invoice_id, attempt, reference, amount, at }
                } else {
                    Event::SurplusCharged { payment_id, attempt, reference, amount, at }
                }])
            }
            ChargeOutcome::Failed { code } => {
                // Late news of a failure says nothing about an attempt whose outcome is known.
                let Some((_, asked_by)) = awaited else { return Ok(vec![]) };
                let code = checked(&code)?;
                let failed = self.scheduled_failed + usize::from(asked_by == AskedBy::Schedule);
                let next_attempt_at = self.attempts_at.get(failed).copied();
                let next_attempt_at = next_attempt_at.filter(|_| !self.closed && attempt < MAX_ATTEMPTS);
                let mut events =
                    vec![Event::ChargeFailed { payment_id, invoice_id, attempt, code, next_attempt_at, at }];
                if next_attempt_at.is_none() && !self.closed {
                    events.push(Event::PaymentClosed { payment_id, invoice_id, at });
                }
                Ok(events)
            }
        }
    }

    pub(super) fn close(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (payment_id, invoice_id) = (self.payment_id, self.invoice_id);
        if self.captured.is_some() {
            return Err(Error::Succeeded(payment_id));
        }
        Ok(if self.closed { vec![] } else { vec![Event::PaymentClosed { payment_id, invoice_id, at }] })
    }

    pub(super) fn reserve_refund(
        &self,
        refund_id: RefundId,
        reference: String,
        amount: Money,
    ) -> Result<Vec<Event>, Error> {
        let payment_id = self.payment_id;
        if let Some(reserve) = self.refunds.get(&refund_id) {
            let same = reserve.reference == reference && reserve.amount == amount;
            let other = "reserved for another charge or amount";
            return if same { Ok(vec![]) } else { Err(Error::RefundDecided(payment_id, refund_id, other)) };
        }
        if !self.charges.contains_key(&reference) {
            return Err(Error::UnknownCharge(payment_id, reference));
        }
        let left = self.refundable(&reference);
        let rest = left.minus(amount).map_err(|error| Error::Money(payment_id, error))?;
        if rest.is_negative() || !amount.is_positive() {
            return Err(Error::TooMuch { payment_id, asked: amount, left });
        }
        Ok(vec![Event::RefundReserved { payment_id, refund_id, reference, amount }])
    }

    pub(super) fn release_refund(&self, refund_id: RefundId) -> Result<Vec<Event>, Error> {
        let payment_id = self.payment_id;
        match self.refunds.get(&refund_id).map(|reserve| reserve.state) {
            None => Err(Error::UnknownRefund(payment_id, refund_id)),
            Some(ReserveState::Held) => Ok(vec![Event::RefundReleased { payment_id, refund_id }]),
            Some(ReserveState::Released) => Ok(vec![]),
            Some(ReserveState::Settled) => Err(Error::RefundDecided(payment_id, refund_id, "made")),
        }
    }

    pub(super) fn settle_refund(&self, refund_id: RefundId) -> Result<Vec<Event>, Error> {
        let payment_id = self.payment_id;
        let Some(reserve) = self.refunds.get(&refund_id) else {
            return Err(Error::UnknownRefund(payment_id, refund_id));
        };
        match reserve.state {
            ReserveState::Held => Ok(vec![Event::RefundSettled { payment_id, refund_id, amount: reserve.amount }]),
            ReserveState::Settled => Ok(vec![]),
            ReserveState::Released => Err(Error::RefundDecided(payment_id, refund_id, "released")),
        }
    }

    pub(super) fn decide_reserve(&mut self, refund_id: RefundId, state: ReserveState) {
        if let Some(reserve) = self.refunds.get_mut(&refund_id) {
            reserve.state = state;
        }
    }
}
