//! Of a refund: reserved on its payment, asked of the gateway, settled; or rejected, or released where the gateway refuses.
//!
//! An instance is a refund. A surplus charge is not kept: when the gateway refuses to give it back, the next refund of it
//! follows a day later.

use std::time::Duration;

use baeum_commands::{dispatch::ProcessCommand, subscription::billing::BillingCommand};
use baeum_domain::{
    AnyEvent, Recorded,
    ids::RefundId,
    money::Money,
    subscription::{
        payment,
        refund::{Event, id_of_surplus},
    },
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::renewal::send;
use crate::process::{Effect, Process};

/// The timer of the next refund of a surplus.
const AGAIN: &str = "again";
/// After how long a surplus is given back again that the gateway refused to give back.
const PAUSE: TimeDelta = TimeDelta::days(1);
/// How often at most: then it is for people to look into.
const TRIES: u32 = 30;

/// The process.
pub struct Refunding;

/// What is remembered of a refund.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Charge and amount, where it gives a surplus back.
    surplus: Option<(String, Money)>,
}

impl Process for Refunding {
    const NAME: &'static str = "refunding";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] =
        &["RefundRequested", "RefundReserved", "RefundSent", "RefundSucceeded", "RefundFailed"];
    type State = State;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Payment(payment::Event::RefundReserved { refund_id, .. })
            | AnyEvent::Refund(
                Event::RefundRequested { refund_id, .. }
                | Event::RefundSent { refund_id, .. }
                | Event::RefundSucceeded { refund_id, .. }
                | Event::RefundFailed { refund_id, .. },
            ) => Some(refund_id.to_string()),
            _ => None,
        }
    }

    fn react(state: &State, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Refund(Event::RefundRequested { refund_id, payment_id, reference, amount, .. }) => {
                let (refund_id, payment_id, reference, amount) = (*refund_id, *payment_id, reference.clone(), *amount);
                vec![send("reserve", BillingCommand::ReserveRefund { refund_id, payment_id, reference, amount })]
            }
            AnyEvent::Payment(payment::Event::RefundReserved { refund_id, .. }) => {
                vec![send("send", BillingCommand::SendRefund { refund_id: *refund_id })]
            }
            AnyEvent::Refund(Event::RefundSent { refund_id, at, .. }) => {
                vec![send("refund", BillingCommand::Refund { refund_id: *refund_id, sent_at: *at })]
            }
            AnyEvent::Refund(Event::RefundSucceeded { refund_id, payment_id, .. }) => {
                let settle = BillingCommand::SettleRefund { refund_id: *refund_id, payment_id: *payment_id };
                vec![send("settle", settle), Effect::Finish]
            }
            AnyEvent::Refund(Event::RefundFailed { refund_id, payment_id, at, .. }) => {
                let (refund_id, payment_id) = (*refund_id, *payment_id);
                let mut effects = vec![send("release", BillingCommand::ReleaseRefund { refund_id, payment_id })];
                let surplus = state.surplus.as_ref();
                if let Some((next, (reference, amount))) =
                    surplus.and_then(|surplus| Some((next(refund_id, payment_id, &surplus.0)?, surplus)))
                {
                    let (reference, amount, at) = (reference.clone(), *amount, *at + PAUSE);
                    let back = BillingCommand::RefundSurplus { payment_id, reference, amount, attempt: next, at };
                    effects.push(Effect::Schedule { timer: AGAIN, at, command: ProcessCommand::Billing(back) });
                }
                effects
            }
            _ => vec![],
        }
    }

    fn evolve(state: &mut State, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Refund(Event::RefundRequested { reference, amount, surplus: true, .. }) = &event.payload {
            state.surplus = Some((reference.clone(), *amount));
        }
    }
}

/// Which refund of a surplus follows this one, if it was not the last.
fn next(refund_id: RefundId, payment_id: baeum_domain::ids::PaymentId, reference: &str) -> Option<u32> {
    let this = (1..TRIES).find(|attempt| id_of_surplus(payment_id, reference, *attempt) == refund_id)?;
    Some(this + 1)
}

#[cfg(test)]
mod tests {
    use baeum_domain::{ids::PaymentId, money::samples::money, subscription::refund::Reason};
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};

    #[test]
    fn a_surplus_that_is_not_given_back_is_tried_again_a_day_later() {
        let (payment_id, at) = (PaymentId(Uuid::from_u128(1)), DateTime::UNIX_EPOCH);
        let refund_id = id_of_surplus(payment_id, "pi_1", 1);
        let (reference, amount) = ("pi_1".to_owned(), money(990, "USD"));
        let reason = Reason::Surplus;
        let requested = Event::RefundRequested { refund_id, payment_id, reference, amount, surplus: true, reason, at };
        let failed = Event::RefundFailed { refund_id, payment_id, code: "charge_expired".into(), at };
        let effects = play::<Refunding>(&[recorded(1, requested), recorded(2, failed)]);
        assert_eq!(effects[1].len(), 2);
        let Effect::Schedule { at: again, command: ProcessCommand::Billing(command), .. } = &effects[1][1] else {
            panic!("{effects:?}")
        };
        assert_eq!(*again, at + PAUSE);
        assert!(matches!(command, BillingCommand::RefundSurplus { attempt: 2, .. }), "{command:?}");
    }
}
