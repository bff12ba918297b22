//! Of a payment: its attempts begin in time, and every outcome is told to the invoice and to what was billed.
//!
//! An instance is a payment, whose id is derived from its invoice; it meets what happens to either. On giving up the order is
//! subscription cancelled, payment closed, invoice voided, bill dropped: nothing goes on unpaid, and nothing that is voided
//! can be charged any more.

use std::time::Duration;

use baeum_commands::{dispatch::ProcessCommand, subscription::billing::BillingCommand};
use baeum_domain::{
    AnyEvent, Recorded,
    ids::PaymentId,
    subscription::{
        bill::{Purpose, payment_id},
        credits, invoice, payment, subscription,
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::renewal::send;
use crate::process::{Effect, Process};

/// The timer of the next attempt.
const ATTEMPT: &str = "attempt";

/// The process.
pub struct Collection;

/// What is remembered of a payment: what its invoice is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    purpose: Option<Purpose>,
}

impl Process for Collection {
    const NAME: &'static str = "collection";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &[
        "CreditPurchaseBilled",
        "InvoiceIssued",
        "InvoicePaid",
        "InvoiceVoided",
        "PaymentRequested",
        "ChargeAttempted",
        "ChargeSucceeded",
        "ChargeFailed",
        "PaymentClosed",
        "SurplusCharged",
        "SubscriptionCancelled",
    ];
    type State = State;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        let id = match &event.payload {
            AnyEvent::CreditBalance(credits::Event::CreditPurchaseBilled { bill, .. }) => payment_id(bill.invoice_id),
            AnyEvent::Invoice(invoice::Event::InvoiceIssued { bill, .. }) => payment_id(bill.invoice_id),
            AnyEvent::Invoice(
                invoice::Event::InvoicePaid { invoice_id, .. } | invoice::Event::InvoiceVoided { invoice_id, .. },
            )
            | AnyEvent::Subscription(subscription::Event::SubscriptionCancelled {
                open_invoice: Some(invoice_id),
                ..
            }) => payment_id(*invoice_id),
            AnyEvent::Payment(
                payment::Event::PaymentRequested { payment_id, .. }
                | payment::Event::ChargeAttempted { payment_id, .. }
                | payment::Event::ChargeSucceeded { payment_id, .. }
                | payment::Event::ChargeFailed { payment_id, .. }
                | payment::Event::PaymentClosed { payment_id, .. }
                | payment::Event::SurplusCharged { payment_id, .. },
            ) => *payment_id,
            _ => return None,
        };
        Some(id.to_string())
    }

    fn react(state: &State, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::CreditBalance(credits::Event::CreditPurchaseBilled { bill, .. }) => {
                let mut effects = vec![send("issue", BillingCommand::IssueInvoice { bill: bill.clone() })];
                if bill.total.is_positive() {
                    // Who buys is there: when the charge fails, they are told and buy again.
                    let (invoice_id, amount, attempts_at) = (bill.invoice_id, bill.total, vec![bill.due_at]);
                    effects.push(send("request", BillingCommand::RequestPayment { invoice_id, amount, attempts_at }));
                }
                effects
            }
            AnyEvent::Invoice(of_invoice) => on_invoice(state, of_invoice),
            AnyEvent::Payment(of_payment) => on_payment(state, of_payment),
            AnyEvent::Subscription(subscription::Event::SubscriptionCancelled {
                at,
                open_invoice: Some(invoice_id),
                ..
            }) => {
                let payment_id = payment_id(*invoice_id);
                vec![send("close", BillingCommand::ClosePayment { payment_id, at: *at })]
            }
            _ => vec![],
        }
    }

    fn evolve(state: &mut State, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Invoice(invoice::Event::InvoiceIssued { bill, .. }) = &event.payload {
            state.purpose = Some(bill.purpose);
        }
    }
}

fn on_invoice(state: &State, event: &invoice::Event) -> Vec<Effect> {
    match event {
        invoice::Event::InvoicePaid { .. } => state.purpose.map_or_else(Vec::new, |purpose| {
            vec![send("settle", BillingCommand::SettleBill { purpose }), Effect::Finish]
        }),
        invoice::Event::InvoiceVoided { bill, .. } => {
            vec![send("drop", BillingCommand::DropBill { purpose: bill.purpose }), Effect::Finish]
        }
        _ => vec![],
    }
}

fn on_payment(state: &State, event: &payment::Event) -> Vec<Effect> {
    match event {
        payment::Event::PaymentRequested { payment_id, attempts_at, .. } => {
            attempts_at.first().map_or_else(Vec::new, |at| vec![attempt_at(*payment_id, 1, *at)])
        }
        // Asking the gateway is another process's, so that it holds up nothing here.
        payment::Event::ChargeAttempted { .. } => vec![Effect::Unschedule { timer: ATTEMPT }],
        payment::Event::ChargeSucceeded { payment_id, invoice_id, amount, at, .. } => {
            let (payment_id, invoice_id, amount, at) = (*payment_id, *invoice_id, *amount, *at);
            let paid = BillingCommand::RecordPayment { invoice_id, payment_id, amount, at };
            vec![Effect::Unschedule { timer: ATTEMPT }, send("pay", paid)]
        }
        payment::Event::ChargeFailed { payment_id, invoice_id, attempt, next_attempt_at, at, .. } => {
            let (invoice_id, attempt, next_attempt_at, at) = (*invoice_id, *attempt, *next_attempt_at, *at);
            let mut effects = vec![];
            if let Some(Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. }) =
                state.purpose
            {
                let failed =
                    BillingCommand::RecordFailedCharge { subscription_id, invoice_id, attempt, next_attempt_at, at };
                effects.push(send("fail", failed));
            }
            if let Some(next) = next_attempt_at {
                effects.push(attempt_at(*payment_id, attempt + 1, next));
            }
            effects
        }
        payment::Event::PaymentClosed { invoice_id, at, .. } => {
            let void = BillingCommand::VoidInvoice { invoice_id: *invoice_id, at: *at };
            vec![Effect::Unschedule { timer: ATTEMPT }, send("void", void)]
        }
        payment::Event::SurplusCharged { payment_id, reference, amount, at, .. } => {
            let (payment_id, reference, amount, at) = (*payment_id, reference.clone(), *amount, *at);
            let back = BillingCommand::RefundSurplus { payment_id, reference, amount, attempt: 1, at };
            vec![send("give_back", back)]
        }
        _ => vec![],
    }
}

fn attempt_at(payment_id: PaymentId, attempt: u32, at: DateTime<Utc>) -> Effect {
    let begin = BillingCommand::BeginCharge { payment_id, attempt };
    Effect::Schedule { timer: ATTEMPT, at, command: ProcessCommand::Billing(begin) }
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        ids::{InvoiceId, UserId},
        money::{Money, samples::money},
        subscription::bill::samples::bill,
    };
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};

    const MINA: UserId = UserId(Uuid::from_u128(2));

    fn price() -> Money {
        money(12_900, "KRW")
    }

    fn of_bill() -> (baeum_domain::subscription::bill::Bill, InvoiceId, PaymentId, DateTime<Utc>) {
        let bill = bill(price(), money(0, "KRW"));
        let (invoice_id, at) = (bill.invoice_id, bill.due_at);
        (bill, invoice_id, payment_id(invoice_id), at)
    }

    fn billing(effect: &Effect) -> &BillingCommand {
        match effect {
            Effect::Send { command: ProcessCommand::Billing(command), .. }
            | Effect::Schedule { command: ProcessCommand::Billing(command), .. } => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_failed_attempt_is_told_and_tried_again_and_the_last_one_voids_the_invoice_after_the_cancellation() {
        let (bill, invoice_id, payment_id, at) = of_bill();
        let next = at + TimeDelta::days(1);
        let failed = |attempt, next_attempt_at| payment::Event::ChargeFailed {
            payment_id,
            invoice_id,
            attempt,
            code: "card_declined".into(),
            next_attempt_at,
            at,
        };
        let requested =
            payment::Event::PaymentRequested { payment_id, invoice_id, amount: price(), attempts_at: vec![at, next] };
        let effects = play::<Collection>(&[
            recorded(1, invoice::Event::InvoiceIssued { subscriber: MINA, bill: bill.clone(), at }),
            recorded(2, requested),
            recorded(3, failed(1, Some(next))),
            recorded(4, failed(2, None)),
            recorded(5, payment::Event::PaymentClosed { payment_id, invoice_id, at: next }),
        ]);
        assert_eq!(billing(&effects[1][0]), &BillingCommand::BeginCharge { payment_id, attempt: 1 });
        assert!(matches!(billing(&effects[2][0]), BillingCommand::RecordFailedCharge { attempt: 1, .. }));
        assert!(matches!(&effects[2][1], Effect::Schedule { at, .. } if *at == next));
        assert_eq!(billing(&effects[2][1]), &BillingCommand::BeginCharge { payment_id, attempt: 2 });
        assert!(matches!(billing(&effects[3][0]), BillingCommand::RecordFailedCharge { next_attempt_at: None, .. }));
        assert_eq!(effects[3].len(), 1);
        assert_eq!(billing(&effects[4][1]), &BillingCommand::VoidInvoice { invoice_id, at: next });
    }

    #[test]
    fn what_is_paid_is_told_to_what_was_billed() {
        let (bill, invoice_id, payment_id, at) = of_bill();
        let purpose = bill.purpose;
        let paid = invoice::Event::InvoicePaid { invoice_id, payment_id: Some(payment_id), amount: price(), at };
        let issued = invoice::Event::InvoiceIssued { subscriber: MINA, bill, at };
        let effects = play::<Collection>(&[recorded(1, issued), recorded(2, paid)]);
        assert_eq!(billing(&effects[1][0]), &BillingCommand::SettleBill { purpose });
    }

    #[test]
    fn a_surplus_is_given_back_and_a_cancellation_closes_the_payment() {
        let (_, invoice_id, payment_id, at) = of_bill();
        let surplus =
            payment::Event::SurplusCharged { payment_id, attempt: 1, reference: "pi_1".into(), amount: price(), at };
        let cancelled = subscription::Event::SubscriptionCancelled {
            subscription_id: baeum_domain::ids::SubscriptionId(Uuid::from_u128(7)),
            at,
            cause: subscription::Cause::Requested,
            open_invoice: Some(invoice_id),
        };
        let effects = play::<Collection>(&[recorded(1, cancelled), recorded(2, surplus)]);
        assert_eq!(billing(&effects[0][0]), &BillingCommand::ClosePayment { payment_id, at });
        assert!(matches!(billing(&effects[1][0]), BillingCommand::RefundSurplus { attempt: 1, .. }));
    }
}
