//! Of an attempt to charge: the gateway is asked once the attempt stands in the log, and never before.
//!
//! An instance is an attempt. While its outcome is not known it is asked again, under the same key; a gateway that hangs, or
//! is not there, holds up this attempt and nothing else.

use std::time::Duration;

use baeum_commands::subscription::billing::BillingCommand;
use baeum_domain::{AnyEvent, Recorded, subscription::payment::Event};

use super::renewal::send;
use crate::process::{Effect, Process};

/// The process.
pub struct Charging;

impl Process for Charging {
    const NAME: &'static str = "charging";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["ChargeAttempted"];
    type State = ();

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Payment(Event::ChargeAttempted { payment_id, attempt, .. }) => {
                Some(format!("{payment_id}:{attempt}"))
            }
            _ => None,
        }
    }

    fn react((): &(), event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Payment(Event::ChargeAttempted { payment_id, attempt, at, .. }) => {
                let charge = BillingCommand::Charge { payment_id: *payment_id, attempt: *attempt, begun_at: *at };
                vec![send("charge", charge), Effect::Finish]
            }
            _ => vec![],
        }
    }

    fn evolve((): &mut (), _event: &Recorded<AnyEvent>) {}
}
