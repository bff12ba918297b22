//! After a payment: a receipt; after a refund: word of it.
//!
//! `InvoiceIssued` → `InvoicePaid` → receipt; `RefundSucceeded` → word. An instance is the payment of an invoice, whose id
//! derives from the invoice's; it remembers whose it is and what it is for. It never ends: money can be given back years
//! later. Where nothing was to be paid, there is no receipt.

use std::{collections::BTreeMap, time::Duration};

use baeum_commands::{dispatch::ProcessCommand, notification::request::NotificationRequest};
use baeum_domain::{
    AnyEvent, Recorded,
    ids::{InvoiceId, UserId},
    notification::{
        billing::{RECEIPT_CHANGE, RECEIPT_CREDITS, RECEIPT_PERIOD, REFUND_MADE, SURPLUS_REFUNDED},
        template::Spec,
    },
    subscription::{
        bill::{Bill, Item, Purpose, payment_id},
        invoice, refund,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::congratulation::cause;
use crate::process::{Effect, Process};

/// The process.
pub struct Receipt;

/// What an instance remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The invoice, once it was issued.
    pub invoice: Option<Issued>,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// Its id.
    pub invoice_id: InvoiceId,
    /// Who pays it.
    pub subscriber: UserId,
    /// What it is for.
    pub purpose: Purpose,
    /// From when to when it is, where it is for a period.
    pub period: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Process for Receipt {
    const NAME: &'static str = "receipt";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["InvoiceIssued", "InvoicePaid", "RefundSucceeded"];
    type State = Remembered;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        let payment = match &event.payload {
            AnyEvent::Invoice(invoice::Event::InvoiceIssued { bill, .. }) => payment_id(bill.invoice_id),
            AnyEvent::Invoice(invoice::Event::InvoicePaid { invoice_id, .. }) => payment_id(*invoice_id),
            AnyEvent::Refund(refund::Event::RefundSucceeded { payment_id, .. }) => *payment_id,
            _ => return None,
        };
        Some(payment.to_string())
    }

    fn react(state: &Remembered, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let Some(issued) = &state.invoice else { return vec![] };
        let (spec, amount, at) = match &event.payload {
            AnyEvent::Invoice(invoice::Event::InvoicePaid { amount, at, .. }) if amount.is_positive() => {
                (issued.spec(), amount, *at)
            }
            AnyEvent::Refund(refund::Event::RefundSucceeded { amount, surplus, at, .. }) => {
                (if *surplus { SURPLUS_REFUNDED } else { REFUND_MADE }, amount, *at)
            }
            _ => return vec![],
        };
        let (mut parameters, mut days) = (BTreeMap::new(), BTreeMap::new());
        parameters.insert("amount".to_owned(), amount.to_string());
        days.insert("day".to_owned(), at);
        if let AnyEvent::Invoice(_) = &event.payload {
            parameters.insert("invoice".to_owned(), issued.invoice_id.to_string());
            if let Some((from, until)) = issued.period {
                // A period ends with the first moment of the next one.
                days.extend([("from".to_owned(), from), ("until".to_owned(), until - TimeDelta::seconds(1))]);
            }
        }
        let request = NotificationRequest {
            learner_id: issued.subscriber,
            cause: cause(event),
            at: event.recorded_at,
            template: spec.template(),
            parameters,
            days,
            not_before: None,
        };
        vec![Effect::Send { step: "tell", command: ProcessCommand::RequestNotification(request) }]
    }

    fn evolve(state: &mut Remembered, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Invoice(invoice::Event::InvoiceIssued { subscriber, bill, .. }) = &event.payload {
            state.invoice = Some(Issued::new(*subscriber, bill));
        }
    }
}

impl Issued {
    fn new(subscriber: UserId, bill: &Bill) -> Self {
        let of_time = bill.lines.iter().find(|line| line.item == Item::Period);
        let period = of_time.and_then(|line| line.from.zip(line.until));
        Self { invoice_id: bill.invoice_id, subscriber, purpose: bill.purpose, period }
    }

    fn spec(&self) -> Spec {
        match self.purpose {
            // Where a bill says nothing of its time, it is told as the change that it then is.
            Purpose::Period { .. } if self.period.is_some() => RECEIPT_PERIOD,
            Purpose::Period { .. } | Purpose::Change { .. } => RECEIPT_CHANGE,
            Purpose::Credits { .. } => RECEIPT_CREDITS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        notification::testing::requests,
        process::testing::{play, recorded},
    };
    use baeum_domain::{
        ids::{PurchaseId, RefundId},
        money::{Money, samples::money},
        subscription::bill::{Line, samples::bill},
    };
    use uuid::Uuid;

    const SUBSCRIBER: UserId = UserId(Uuid::from_u128(1));

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn issued(bill: &Bill) -> invoice::Event {
        let at = moment("2026-01-30T15:00:00Z");
        invoice::Event::InvoiceIssued { subscriber: SUBSCRIBER, bill: bill.clone(), at }
    }

    fn paid(bill: &Bill) -> invoice::Event {
        let payment = bill.total.is_positive().then(|| payment_id(bill.invoice_id));
        let at = moment("2026-01-30T15:00:05Z");
        invoice::Event::InvoicePaid { invoice_id: bill.invoice_id, payment_id: payment, amount: bill.total, at }
    }

    fn refunded(bill: &Bill, amount: Money, surplus: bool) -> refund::Event {
        refund::Event::RefundSucceeded {
            refund_id: RefundId(Uuid::from_u128(9)),
            payment_id: payment_id(bill.invoice_id),
            amount,
            surplus,
            at: moment("2026-02-03T01:00:00Z"),
        }
    }

    #[test]
    fn a_paid_period_leads_to_a_receipt_with_amount_and_days() {
        let bill = bill(money(12_900, "KRW"), money(0, "KRW"));
        let effects = play::<Receipt>(&[recorded(1, issued(&bill)), recorded(2, paid(&bill))]);
        assert_eq!(effects[0], []);
        let [told] = requests(&effects[1])[..] else { panic!("one receipt: {effects:?}") };
        assert_eq!((told.learner_id, told.template.as_str()), (SUBSCRIBER, "receipt_period"));
        assert_eq!(told.parameters["amount"], "12900 KRW");
        assert_eq!(told.parameters["invoice"], bill.invoice_id.to_string());
        assert_eq!(told.days["day"], moment("2026-01-30T15:00:05Z"));
        assert_eq!(
            (told.days["from"], told.days["until"]),
            (moment("2026-01-30T15:00:00Z"), moment("2026-02-27T14:59:59Z"),)
        );
    }

    #[test]
    fn what_account_credit_paid_in_whole_has_no_receipt() {
        let bill = bill(money(990, "USD"), money(990, "USD"));
        let effects = play::<Receipt>(&[recorded(1, issued(&bill)), recorded(2, paid(&bill))]);
        assert_eq!(effects[1], []);
    }

    #[test]
    fn credits_are_receipted_as_such() {
        let purpose = Purpose::Credits { subscriber: SUBSCRIBER, purchase_id: PurchaseId(Uuid::from_u128(4)) };
        let line = Line { item: Item::UsageCredits, amount: money(5_000, "KRW"), from: None, until: None };
        let due = moment("2026-01-30T15:00:00Z");
        let bill = Bill::draw(purpose, due, vec![line], money(0, "KRW")).expect("one currency");
        let effects = play::<Receipt>(&[recorded(1, issued(&bill)), recorded(2, paid(&bill))]);
        let [told] = requests(&effects[1])[..] else { panic!("one receipt: {effects:?}") };
        assert_eq!((told.template.as_str(), told.days.len()), ("receipt_credits", 1));
    }

    #[test]
    fn each_refund_is_told_and_one_of_a_surplus_is_told_as_such() {
        let bill = bill(money(12_900, "KRW"), money(0, "KRW"));
        let history = [
            recorded(1, issued(&bill)),
            recorded(2, paid(&bill)),
            recorded(3, refunded(&bill, money(2_900, "KRW"), false)),
            recorded(4, refunded(&bill, money(12_900, "KRW"), true)),
        ];
        let effects = play::<Receipt>(&history);
        for (effects, template, amount) in
            [(&effects[2], "refund_made", "2900 KRW"), (&effects[3], "surplus_refunded", "12900 KRW")]
        {
            let [told] = requests(effects)[..] else { panic!("one word: {effects:?}") };
            assert_eq!((told.template.as_str(), told.parameters["amount"].as_str()), (template, amount));
            assert_eq!(told.parameters.len(), 1);
        }
    }
}
