//! A reservation that nobody takes in time is given up.
//!
//! An instance is a reservation. It is about nobody, so it ends also where the kit that it was for is forgotten.

use std::time::Duration;

use baeum_commands::{
    dispatch::ProcessCommand,
    kit::step::{KitStep, StockDeed},
};
use baeum_domain::{AnyEvent, Recorded, kit::stock::Event};

use crate::process::{Effect, Process};

/// The process.
pub struct StockExpiry;

const TIMER: &str = "expire";

impl Process for StockExpiry {
    const NAME: &'static str = "stock_expiry";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] =
        &["StockReserved", "StockCommitted", "StockReleased", "StockReservationExpired"];
    type State = ();

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Stock(
                Event::StockReserved { reservation_id, .. }
                | Event::StockCommitted { reservation_id, .. }
                | Event::StockReleased { reservation_id, .. }
                | Event::StockReservationExpired { reservation_id, .. },
            ) => Some(reservation_id.to_string()),
            _ => None,
        }
    }

    fn react((): &(), event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Stock(Event::StockReserved { sku, reservation_id, kit_id, expires_at, .. }) => {
                let (sku, reservation_id, kit_id) = (sku.clone(), *reservation_id, *kit_id);
                let step = KitStep::Stock { kit_id, sku, reservation_id, deed: StockDeed::Expire };
                vec![Effect::Schedule { timer: TIMER, at: *expires_at, command: ProcessCommand::Kit(step) }]
            }
            _ => vec![Effect::Unschedule { timer: TIMER }, Effect::Finish],
        }
    }

    fn evolve((): &mut (), _event: &Recorded<AnyEvent>) {}
}
