//! The processes between the aggregates: which event leads to which command. They hear of an event late, and perhaps twice.

use baeum_domain::{
    AnyEvent,
    ids::PaymentId,
    money::Money,
    subscription::{
        bill::{Bill, Purpose, payment_id},
        credits,
        dunning::Dunning,
        invoice::{self, VoidReason},
        payment,
        period::Period,
        refund,
        subscription::{self, Event},
    },
};
use proptest::test_runner::TestCaseError;

use crate::{
    gateway::Call,
    world::{MINA, World, zone},
};

impl World {
    /// Does what an event asks for, and says whether that was possible: it may come too early.
    pub(crate) fn react(&mut self, event: &AnyEvent) -> Result<bool, TestCaseError> {
        match event {
            AnyEvent::Subscription(of_subscription) => return self.on_subscription(of_subscription),
            AnyEvent::CreditBalance(credits::Event::CreditPurchaseBilled { bill, .. }) => self.issue(bill)?,
            AnyEvent::Invoice(of_invoice) => self.on_invoice(of_invoice)?,
            AnyEvent::Payment(of_payment) => self.on_payment(of_payment)?,
            AnyEvent::Refund(of_refund) => self.on_refund(of_refund)?,
            _ => {}
        }
        Ok(true)
    }

    fn on_subscription(&mut self, event: &Event) -> Result<bool, TestCaseError> {
        match event {
            Event::SubscriptionStarted { period, bill, terms, .. } => {
                self.grant(period, terms.evaluations, false)?;
                if let Some(bill) = bill {
                    self.issue(bill)?;
                }
            }
            Event::SubscriptionRenewed { period, bill, .. } | Event::SubscriptionReactivated { period, bill, .. } => {
                self.grant(period, 3, false)?;
                self.issue(bill)?;
            }
            Event::SubscriptionPlanChanged { bill: Some(bill), .. } => self.issue(bill)?,
            Event::SubscriptionCancelled { at, open_invoice: Some(invoice_id), .. } => {
                let close = payment::Command::Close { at: *at };
                match self.send_to_payment(payment_id(*invoice_id), close)? {
                    Ok(_) | Err(payment::Error::Succeeded(_)) => {}
                    Err(payment::Error::NotRequested) => return Ok(false),
                    Err(error) => return Err(TestCaseError::fail(format!("closing: {error}"))),
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn on_invoice(&mut self, event: &invoice::Event) -> Result<(), TestCaseError> {
        match event {
            invoice::Event::InvoiceIssued { bill, .. } if bill.total.is_positive() => {
                let attempts_at = Dunning::default().attempts(bill.due_at, &zone()).expect("in the calendar");
                let (payment_id, invoice_id, amount) = (payment_id(bill.invoice_id), bill.invoice_id, bill.total);
                let request = payment::Command::Request { payment_id, invoice_id, amount, attempts_at };
                self.send_to_payment(payment_id, request)?.expect("an issued invoice can be collected");
            }
            invoice::Event::InvoicePaid { invoice_id, .. } => match self.bill(*invoice_id).purpose {
                Purpose::Credits { purchase_id, subscriber } => {
                    let confirm = credits::Command::ConfirmPurchase { subscriber, purchase_id };
                    self.send_to_credits(confirm)?.expect("what is paid is added");
                }
                Purpose::Period { .. } | Purpose::Change { .. } => {
                    let paid = subscription::Command::RecordPaid { invoice_id: *invoice_id };
                    self.send_to_subscription(paid)?.expect("what is paid is recorded");
                }
            },
            invoice::Event::InvoiceVoided { invoice_id, bill, .. } => match bill.purpose {
                Purpose::Credits { purchase_id, subscriber } => {
                    let drop = credits::Command::DropPurchase { subscriber, purchase_id };
                    self.send_to_credits(drop)?.expect("what is voided is dropped");
                }
                Purpose::Period { .. } | Purpose::Change { .. } => {
                    let voided = subscription::Command::RecordVoided { invoice_id: *invoice_id };
                    self.send_to_subscription(voided)?.expect("what is voided is recorded");
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn on_payment(&mut self, event: &payment::Event) -> Result<(), TestCaseError> {
        match event {
            payment::Event::ChargeAttempted { payment_id, attempt, idempotency_key, amount, .. } => {
                let (payment_id, attempt, key) = (*payment_id, *attempt, idempotency_key.clone());
                self.gateway.calls.push_back(Call { payment_id, attempt, key, amount: amount.minor() });
            }
            payment::Event::ChargeSucceeded { payment_id, invoice_id, amount, at, .. } => {
                let paid = invoice::Command::RecordPayment { payment_id: *payment_id, amount: *amount, at: *at };
                self.send_to_invoice(*invoice_id, paid)?.expect("a charge pays its invoice");
            }
            payment::Event::ChargeFailed { invoice_id, attempt, next_attempt_at, at, .. }
                if !matches!(self.bill(*invoice_id).purpose, Purpose::Credits { .. }) =>
            {
                let (invoice_id, attempt, next_attempt_at, at) = (*invoice_id, *attempt, *next_attempt_at, *at);
                let failed = subscription::Command::RecordFailedCharge { invoice_id, attempt, next_attempt_at, at };
                self.send_to_subscription(failed)?.expect("a failed charge is recorded");
            }
            payment::Event::PaymentClosed { invoice_id, at, .. } => {
                let void = invoice::Command::Void { reason: VoidReason::Unpaid, at: *at };
                self.send_to_invoice(*invoice_id, void)?.expect("what cannot be paid any more is voided");
            }
            payment::Event::SurplusCharged { payment_id, reference, amount, .. } => {
                self.give_surplus_back(*payment_id, reference, *amount, 1)?;
            }
            payment::Event::RefundReserved { refund_id, .. } => {
                let send = refund::Command::Send { at: self.now };
                self.send_to_refund(*refund_id, send)?.expect("what is reserved is sent");
            }
            _ => {}
        }
        Ok(())
    }

    fn on_refund(&mut self, event: &refund::Event) -> Result<(), TestCaseError> {
        match event {
            refund::Event::RefundRequested { refund_id, payment_id, reference, amount, .. } => {
                let (refund_id, reference, amount) = (*refund_id, reference.clone(), *amount);
                let reserve = payment::Command::ReserveRefund { refund_id, reference, amount };
                if self.send_to_payment(*payment_id, reserve)?.is_err() {
                    self.send_to_refund(refund_id, refund::Command::Reject)?
                        .expect("what cannot be reserved is rejected");
                }
            }
            refund::Event::RefundSent { refund_id, idempotency_key, amount, .. } => {
                let payment_id = self.refunds[refund_id].request.as_ref().expect("requested").payment_id;
                self.gateway.refunds.push_back((idempotency_key.clone(), payment_id, *refund_id, amount.minor()));
            }
            refund::Event::RefundSucceeded { refund_id, payment_id, .. } => {
                let settle = payment::Command::SettleRefund { refund_id: *refund_id };
                self.send_to_payment(*payment_id, settle)?.expect("what was given back is settled");
            }
            refund::Event::RefundFailed { refund_id, payment_id, .. } => {
                let release = payment::Command::ReleaseRefund { refund_id: *refund_id };
                self.send_to_payment(*payment_id, release)?.expect("what was not given back is released");
                let request = self.refunds[refund_id].request.clone().expect("requested");
                if request.surplus {
                    let ids = (1..).map(|attempt| refund::id_of_surplus(*payment_id, &request.reference, attempt));
                    let attempt = (1..).zip(ids).find(|(_, id)| id == refund_id).map_or(1, |(attempt, _)| attempt);
                    self.give_surplus_back(*payment_id, &request.reference, request.amount, attempt + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn give_surplus_back(
        &mut self,
        payment_id: PaymentId,
        reference: &str,
        amount: Money,
        attempt: u32,
    ) -> Result<(), TestCaseError> {
        let refund_id = refund::id_of_surplus(payment_id, reference, attempt);
        let (reference, ground, at) = (reference.to_owned(), refund::Ground::Surplus(amount), self.now);
        let reason = refund::Reason::Surplus;
        let request = refund::Command::Request { refund_id, payment_id, reference, amount, ground, reason, at };
        self.send_to_refund(refund_id, request)?.expect("a surplus is given back");
        Ok(())
    }

    fn issue(&mut self, bill: &Bill) -> Result<(), TestCaseError> {
        let issue = invoice::Command::Issue { subscriber: MINA, bill: bill.clone(), at: bill.due_at };
        self.send_to_invoice(bill.invoice_id, issue)?.expect("a bill can be issued");
        Ok(())
    }

    fn grant(&mut self, period: &Period, units: u32, continues: bool) -> Result<(), TestCaseError> {
        let (from, until) = (period.starts_at, period.ends_at);
        let grant = credits::Command::GrantAllowance { subscriber: MINA, units, from, until, continues };
        self.send_to_credits(grant)?.expect("an allowance can be granted");
        Ok(())
    }
}
