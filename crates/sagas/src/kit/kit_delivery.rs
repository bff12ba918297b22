//! The kit of a period: curated, reserved, paid, packed, handed over, delivered; or given up, with everything put back.
//!
//! ```text
//! period with a bill → open → KitCurated → reserve each → all StockReserved → KitReserved ┐
//! InvoicePaid → KitPaid ──────────────────────────────────────────────────────────────────┴→ commit each
//!   → all StockCommitted → pack → KitPacked → ship → KitShipped → track … → KitDelivered → done
//! ```
//!
//! What can go wrong, and what then follows:
//!
//! | what | then |
//! |---|---|
//! | nothing suits, or an item can be had no more and nothing else in its place | the kit is cancelled |
//! | an item cannot be had (`StockReservationDeclined`, or released by a count) | another takes its place |
//! | its bill is voided, or its subscription cancelled before it was paid | the kit is cancelled |
//! | no address | asked for again each day; cancelled after two weeks |
//! | the carrier takes it not, or loses it, or says nothing for a month | the kit is cancelled |
//! | it comes back | its units are put back, and it is made good |
//! | it is cancelled, in whichever step | each unit is given back; what was paid is refunded |
//! | it is paid after it was cancelled | it is refunded |
//!
//! An instance is a bill of a period. The gateway is never called from here: billing charges the bill, and carries out the
//! refund that is requested.

use std::{collections::BTreeMap, time::Duration};

use baeum_commands::{
    dispatch::ProcessCommand,
    kit::step::{KitDeed, KitStep, StockDeed},
};
use baeum_domain::{
    AnyEvent, Recorded,
    ids::{InvoiceId, KitId, ReservationId, SkuId, SubscriptionId, UserId},
    kit::{
        kit::{CancelReason, Event, Item, id_of},
        stock::{self, Cause},
    },
    subscription::{bill::Purpose, invoice, subscription},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct KitDelivery;

/// Steps by the place in the kit, so that each of an event has its name.
const RESERVE: [&str; 10] = [
    "reserve-1",
    "reserve-2",
    "reserve-3",
    "reserve-4",
    "reserve-5",
    "reserve-6",
    "reserve-7",
    "reserve-8",
    "reserve-9",
    "reserve-10",
];
const COMMIT: [&str; 10] = [
    "commit-1",
    "commit-2",
    "commit-3",
    "commit-4",
    "commit-5",
    "commit-6",
    "commit-7",
    "commit-8",
    "commit-9",
    "commit-10",
];
const GIVE_BACK: [&str; 10] = [
    "give-back-1",
    "give-back-2",
    "give-back-3",
    "give-back-4",
    "give-back-5",
    "give-back-6",
    "give-back-7",
    "give-back-8",
    "give-back-9",
    "give-back-10",
];
/// When it is tried again to send a kit whose address is not known, in days.
const SHIP_AGAIN: [(&str, i64); 13] = [
    ("ship-day-1", 1),
    ("ship-day-2", 2),
    ("ship-day-3", 3),
    ("ship-day-4", 4),
    ("ship-day-5", 5),
    ("ship-day-6", 6),
    ("ship-day-7", 7),
    ("ship-day-8", 8),
    ("ship-day-9", 9),
    ("ship-day-10", 10),
    ("ship-day-11", 11),
    ("ship-day-12", 12),
    ("ship-day-13", 13),
];
/// After how many days without an address it is given up.
const NO_ADDRESS_DAYS: i64 = 14;
/// When the carrier is asked where a kit is, in days: it may have told before.
const TRACK: [(&str, i64); 7] = [
    ("track-day-1", 1),
    ("track-day-2", 2),
    ("track-day-3", 3),
    ("track-day-5", 5),
    ("track-day-8", 8),
    ("track-day-13", 13),
    ("track-day-21", 21),
];
/// After how many days without a delivery a kit counts as lost.
const LOST_DAYS: i64 = 30;

/// What an instance remembers.
#[allow(clippy::struct_excessive_bools, reason = "what was met was met in any order")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whose kit, once it was opened.
    learner_id: Option<UserId>,
    /// When its bill was paid.
    bill_paid_at: Option<DateTime<Utc>>,
    /// Why it is to be cancelled although it was not opened yet.
    doomed: Option<CancelReason>,
    /// What its places hold.
    places: BTreeMap<u8, Place>,
    /// Whether all of them were reserved.
    reserved: bool,
    /// Whether the kit knows that it is paid.
    paid: bool,
    /// Whether it is in its parcel.
    packed: bool,
    /// Whether it will not come.
    cancelled: bool,
}

/// A place of a kit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    sku: SkuId,
    reservation_id: ReservationId,
    stock: OfStock,
}

/// Where the unit of a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum OfStock {
    Wanted,
    Reserved,
    Committed,
}

/// The bill of a period that began, with its subscription and number.
fn begun(event: &AnyEvent) -> Option<(SubscriptionId, InvoiceId, u32)> {
    use subscription::Event::{
        SubscriptionPlanChanged, SubscriptionReactivated, SubscriptionRenewed, SubscriptionStarted,
    };
    let AnyEvent::Subscription(event) = event else { return None };
    // A change of plan bills a period where it begins one.
    let (SubscriptionStarted { subscription_id, period, bill: Some(bill), .. }
    | SubscriptionPlanChanged { subscription_id, period, bill: Some(bill), .. }
    | SubscriptionRenewed { subscription_id, period, bill, .. }
    | SubscriptionReactivated { subscription_id, period, bill, .. }) = event
    else {
        return None;
    };
    let of_period = matches!(bill.purpose, Purpose::Period { .. });
    of_period.then_some((*subscription_id, bill.invoice_id, period.number))
}

/// The kit that an event concerns.
fn kit_of(event: &AnyEvent) -> Option<KitId> {
    match event {
        AnyEvent::Subscription(subscription::Event::SubscriptionCancelled { open_invoice, .. }) => {
            open_invoice.map(id_of)
        }
        AnyEvent::Subscription(_) => begun(event).map(|(_, invoice_id, _)| id_of(invoice_id)),
        AnyEvent::Invoice(
            invoice::Event::InvoicePaid { invoice_id, .. } | invoice::Event::InvoiceVoided { invoice_id, .. },
        ) => Some(id_of(*invoice_id)),
        AnyEvent::Stock(
            stock::Event::StockReserved { kit_id, .. }
            | stock::Event::StockReservationDeclined { kit_id, .. }
            | stock::Event::StockCommitted { kit_id, .. }
            | stock::Event::StockReleased { kit_id, cause: Cause::Shortfall, .. },
        )
        | AnyEvent::Kit(
            Event::KitOpened { kit_id, .. }
            | Event::KitCurated { kit_id, .. }
            | Event::KitItemReplaced { kit_id, .. }
            | Event::KitReserved { kit_id, .. }
            | Event::KitPaid { kit_id, .. }
            | Event::KitPacked { kit_id, .. }
            | Event::KitAddressMissing { kit_id, .. }
            | Event::KitShipped { kit_id, .. }
            | Event::KitDelivered { kit_id, .. }
            | Event::KitReturned { kit_id, .. }
            | Event::KitRevealed { kit_id, .. }
            | Event::KitCancelled { kit_id, .. },
        ) => Some(*kit_id),
        _ => None,
    }
}

impl Process for KitDelivery {
    const NAME: &'static str = "kit_delivery";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &[
        "SubscriptionStarted",
        "SubscriptionRenewed",
        "SubscriptionReactivated",
        "SubscriptionPlanChanged",
        "SubscriptionCancelled",
        "InvoicePaid",
        "InvoiceVoided",
        "KitOpened",
        "KitCurated",
        "KitItemReplaced",
        "KitReserved",
        "KitPaid",
        "KitPacked",
        "KitAddressMissing",
        "KitShipped",
        "KitDelivered",
        "KitReturned",
        "KitRevealed",
        "KitCancelled",
        "StockReserved",
        "StockReservationDeclined",
        "StockCommitted",
        "StockReleased",
    ];
    type State = State;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        kit_of(&event.payload).map(|kit_id| kit_id.to_string())
    }

    fn react(before: &State, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let Some(kit_id) = kit_of(&event.payload) else { return vec![] };
        if let Some((subscription_id, invoice_id, period)) = begun(&event.payload) {
            let open = KitStep::Open { subscription_id, invoice_id, period };
            return vec![send("open", open)];
        }
        let mut after = before.clone();
        Self::evolve(&mut after, event);
        // Until it was opened there is nothing to do: its plan may come without kits.
        let Some(learner_id) = after.learner_id else { return vec![] };
        Reaction { kit_id, learner_id, before, after: &after }.to(event)
    }

    fn evolve(state: &mut State, event: &Recorded<AnyEvent>) {
        match &event.payload {
            AnyEvent::Subscription(subscription::Event::SubscriptionCancelled { .. }) => {
                state.doomed = state.doomed.or(Some(CancelReason::SubscriptionEnded));
            }
            AnyEvent::Invoice(invoice::Event::InvoiceVoided { .. }) => {
                state.doomed = state.doomed.or(Some(CancelReason::NotPaid));
            }
            AnyEvent::Invoice(invoice::Event::InvoicePaid { at, .. }) => state.bill_paid_at = Some(*at),
            AnyEvent::Kit(event) => state.evolve(event),
            AnyEvent::Stock(stock::Event::StockReserved { reservation_id, .. }) => {
                state.set(*reservation_id, OfStock::Reserved);
            }
            AnyEvent::Stock(stock::Event::StockCommitted { reservation_id, .. }) => {
                state.set(*reservation_id, OfStock::Committed);
            }
            AnyEvent::Stock(
                stock::Event::StockReservationDeclined { reservation_id, .. }
                | stock::Event::StockReleased { reservation_id, .. },
            ) => state.set(*reservation_id, OfStock::Wanted),
            _ => {}
        }
    }
}

impl State {
    fn evolve(&mut self, event: &Event) {
        match event {
            Event::KitOpened { learner_id, .. } => self.learner_id = Some(*learner_id),
            Event::KitCurated { items, .. } => self.places = items.iter().map(place).collect(),
            Event::KitItemReplaced { item, .. } => {
                self.places.extend([place(item)]);
                self.reserved = false;
            }
            Event::KitReserved { .. } => self.reserved = true,
            Event::KitPaid { .. } => self.paid = true,
            Event::KitPacked { .. } => self.packed = true,
            Event::KitCancelled { .. } => self.cancelled = true,
            _ => {}
        }
    }

    fn set(&mut self, reservation_id: ReservationId, stock: OfStock) {
        if let Some(place) = self.places.values_mut().find(|place| place.reservation_id == reservation_id) {
            place.stock = stock;
        }
    }

    fn all(&self, at_least: &[OfStock]) -> bool {
        !self.places.is_empty() && self.places.values().all(|place| at_least.contains(&place.stock))
    }
}

fn place(item: &Item) -> (u8, Place) {
    let Item { slot, sku, reservation_id, .. } = item;
    (*slot, Place { sku: sku.clone(), reservation_id: *reservation_id, stock: OfStock::Wanted })
}

fn send(step: &'static str, command: KitStep) -> Effect {
    Effect::Send { step, command: ProcessCommand::Kit(command) }
}

fn name(names: &[&'static str; 10], slot: u8) -> &'static str {
    names[usize::from(slot.clamp(1, 10)) - 1]
}

/// What follows from one event for an opened kit.
struct Reaction<'a> {
    kit_id: KitId,
    learner_id: UserId,
    before: &'a State,
    after: &'a State,
}

impl Reaction<'_> {
    fn to(&self, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let now = event.recorded_at;
        match &event.payload {
            AnyEvent::Subscription(_) | AnyEvent::Invoice(invoice::Event::InvoiceVoided { .. }) => self.cancel(),
            AnyEvent::Invoice(invoice::Event::InvoicePaid { at, .. }) => {
                vec![self.kit("note-paid", KitDeed::NotePaid { at: *at })]
            }
            AnyEvent::Stock(event) => self.to_stock(event),
            AnyEvent::Kit(event) => self.to_kit(event, now),
            _ => vec![],
        }
    }

    fn to_kit(&self, event: &Event, now: DateTime<Utc>) -> Vec<Effect> {
        match event {
            Event::KitOpened { reveal_at, .. } => {
                let reveal = reveal_at.map(|at| self.timer("reveal", at, KitDeed::Reveal));
                let paid = self.after.bill_paid_at;
                let paid = paid.map(|at| self.kit("note-paid", KitDeed::NotePaid { at }));
                self.cancel().into_iter().chain(reveal).chain(paid).collect()
            }
            Event::KitCurated { items, hold_until, .. } => {
                items.iter().map(|item| self.reserve(item, *hold_until)).collect()
            }
            Event::KitItemReplaced { item, hold_until, .. } => vec![self.reserve(item, *hold_until)],
            Event::KitPaid { .. } if self.after.cancelled => vec![self.kit("compensate", KitDeed::Compensate)],
            Event::KitReserved { .. } | Event::KitPaid { .. } if self.after.reserved && self.after.paid => {
                let open = self.after.places.iter().filter(|(_, place)| place.stock != OfStock::Committed);
                let commits: Vec<_> =
                    open.map(|(slot, place)| self.stock(name(&COMMIT, *slot), place, StockDeed::Commit)).collect();
                // All of them left before another was replaced.
                if commits.is_empty() { vec![self.kit("pack", KitDeed::Pack)] } else { commits }
            }
            Event::KitPacked { .. } => vec![self.kit("ship", KitDeed::Ship)],
            Event::KitAddressMissing { .. } => {
                let again = SHIP_AGAIN
                    .iter()
                    .map(|(timer, days)| self.timer(timer, now + TimeDelta::days(*days), KitDeed::Ship));
                let end = now + TimeDelta::days(NO_ADDRESS_DAYS);
                again.chain([self.timer("address", end, KitDeed::Cancel(CancelReason::NoAddress))]).collect()
            }
            Event::KitShipped { .. } => {
                let ask =
                    TRACK.iter().map(|(timer, days)| self.timer(timer, now + TimeDelta::days(*days), KitDeed::Track));
                let lost = self.timer("lost", now + TimeDelta::days(LOST_DAYS), KitDeed::Cancel(CancelReason::Lost));
                unschedule(&SHIP_AGAIN, "address").into_iter().chain(ask).chain([lost]).collect()
            }
            Event::KitRevealed { .. } => vec![Effect::Unschedule { timer: "reveal" }],
            Event::KitDelivered { .. } => unschedule(&TRACK, "lost").into_iter().chain([Effect::Finish]).collect(),
            Event::KitReturned { .. } => {
                let made_good = self.kit("compensate", KitDeed::Compensate);
                let end = unschedule(&TRACK, "lost").into_iter().chain([Effect::Finish]);
                self.give_back().into_iter().chain([made_good]).chain(end).collect()
            }
            Event::KitCancelled { reason, .. } => self.give_up(*reason),
            _ => vec![],
        }
    }

    fn to_stock(&self, event: &stock::Event) -> Vec<Effect> {
        let State { cancelled, reserved, .. } = self.after;
        match event {
            stock::Event::StockReserved { .. } => {
                let all = self.after.all(&[OfStock::Reserved, OfStock::Committed]);
                if all && !reserved && !cancelled { vec![self.kit("reserved", KitDeed::NoteReserved)] } else { vec![] }
            }
            stock::Event::StockCommitted { .. } => {
                let all = self.after.all(&[OfStock::Committed]) && !self.before.all(&[OfStock::Committed]);
                if all && !cancelled { vec![self.kit("pack", KitDeed::Pack)] } else { vec![] }
            }
            stock::Event::StockReservationDeclined { reservation_id, .. }
            | stock::Event::StockReleased { reservation_id, .. }
                if !cancelled =>
            {
                let gone = self.after.places.iter().find(|(_, place)| place.reservation_id == *reservation_id);
                let replace =
                    gone.map(|(slot, place)| KitDeed::Replace { slot: *slot, unavailable: place.sku.clone() });
                replace.map(|deed| self.kit("replace", deed)).into_iter().collect()
            }
            _ => vec![],
        }
    }

    /// Cancels what is doomed, unless it is so already or has left.
    fn cancel(&self) -> Vec<Effect> {
        let State { doomed, cancelled, packed, .. } = self.after;
        let reason = doomed.filter(|_| !cancelled && !packed);
        reason.map(|reason| self.kit("cancel", KitDeed::Cancel(reason))).into_iter().collect()
    }

    /// Puts everything back that a cancelled kit had.
    fn give_up(&self, reason: CancelReason) -> Vec<Effect> {
        // What is lost is not on the shelf again.
        let units = if reason == CancelReason::Lost { vec![] } else { self.give_back() };
        let owed = self.after.paid.then(|| self.kit("compensate", KitDeed::Compensate));
        let timers = unschedule(&SHIP_AGAIN, "address").into_iter().chain(unschedule(&TRACK, "lost"));
        let reveal = Effect::Unschedule { timer: "reveal" };
        units.into_iter().chain(owed).chain(timers).chain([reveal, Effect::Finish]).collect()
    }

    fn give_back(&self) -> Vec<Effect> {
        let places = self.after.places.iter();
        places.map(|(slot, place)| self.stock(name(&GIVE_BACK, *slot), place, StockDeed::GiveBack)).collect()
    }

    fn reserve(&self, item: &Item, until: DateTime<Utc>) -> Effect {
        let (slot, place) = place(item);
        self.stock(name(&RESERVE, slot), &place, StockDeed::Reserve { until })
    }

    fn stock(&self, step: &'static str, place: &Place, deed: StockDeed) -> Effect {
        let (sku, reservation_id) = (place.sku.clone(), place.reservation_id);
        send(step, KitStep::Stock { kit_id: self.kit_id, sku, reservation_id, deed })
    }

    fn kit(&self, step: &'static str, deed: KitDeed) -> Effect {
        send(step, KitStep::Kit { kit_id: self.kit_id, learner_id: self.learner_id, deed })
    }

    fn timer(&self, timer: &'static str, at: DateTime<Utc>, deed: KitDeed) -> Effect {
        let step = KitStep::Kit { kit_id: self.kit_id, learner_id: self.learner_id, deed };
        Effect::Schedule { timer, at, command: ProcessCommand::Kit(step) }
    }
}

fn unschedule(timers: &[(&'static str, i64)], last: &'static str) -> Vec<Effect> {
    timers.iter().map(|(timer, _)| *timer).chain([last]).map(|timer| Effect::Unschedule { timer }).collect()
}
