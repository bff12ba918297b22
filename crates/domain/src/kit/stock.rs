//! The stock of one SKU: what is on the shelf, and for which kits some of it is set aside.
//!
//! A reservation is made, then committed (its units left for a kit), released, or expired. Invariants: what is set aside
//! never exceeds what is on the shelf, so nothing is promised twice; what is given up comes back, whole and once. Since a
//! SKU is one stream, of reservations at the same moment only as many are made as there are units.
//!
//! What cannot be had is [`Event::StockReservationDeclined`], not a refusal: it is what was asked for and was not there,
//! and whoever waits for the answer learns of it as of a reservation. [`Event::StockRanLow`] and [`Event::StockRanOut`] are
//! told once each time that the line is crossed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::{KitId, ReservationId, SkuId, derive_id},
};

mod rules;

/// How many units there can be of a SKU.
pub const MAX_UNITS: u32 = 10_000_000;
/// For how many days it is known what became of a reservation. Nothing comes back of a kit that is older.
pub const REMEMBERED_DAYS: i64 = 180;

/// The id of the stream of a SKU's stock.
pub fn id_of(tenant: &str, sku: &SkuId) -> Uuid {
    derive_id(&["stock", tenant, sku.as_str()])
}

/// Why a reservation was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The kit does not need it any more.
    GivenUp,
    /// A count found fewer units than were set aside.
    Shortfall,
}

/// What can have happened to stock.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Units came in.
    StockReceived {
        /// The SKU.
        sku: SkuId,
        /// This delivery.
        delivery_id: Uuid,
        /// How many.
        units: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// The shelf was counted.
    StockCounted {
        /// The SKU.
        sku: SkuId,
        /// This count.
        count_id: Uuid,
        /// How many units the books had.
        expected: u32,
        /// How many there are.
        found: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// From how few available units on it is low.
    StockThresholdSet {
        /// The SKU.
        sku: SkuId,
        /// So many, or fewer; 0 for never.
        units: u32,
    },
    /// Units are set aside for a kit.
    StockReserved {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// For which kit.
        kit_id: KitId,
        /// How many.
        units: u32,
        /// Until when, unless they left by then.
        expires_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// They were not there.
    StockReservationDeclined {
        /// The SKU.
        sku: SkuId,
        /// What it would have been.
        reservation_id: ReservationId,
        /// For which kit.
        kit_id: KitId,
        /// How many were wanted.
        units: u32,
        /// How many there were.
        available: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// They left the shelf for the kit.
    StockCommitted {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// For which kit.
        kit_id: KitId,
        /// How many.
        units: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// They are available again.
    StockReleased {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// For which kit they were.
        kit_id: KitId,
        /// How many.
        units: u32,
        /// Why.
        cause: Cause,
        /// When.
        at: DateTime<Utc>,
    },
    /// They are available again, since nobody took them in time.
    StockReservationExpired {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// For which kit they were.
        kit_id: KitId,
        /// How many.
        units: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// Units that had left are on the shelf again.
    StockReturned {
        /// The SKU.
        sku: SkuId,
        /// The reservation that they left by.
        reservation_id: ReservationId,
        /// The kit that they had left for.
        kit_id: KitId,
        /// How many.
        units: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// Few are available.
    StockRanLow {
        /// The SKU.
        sku: SkuId,
        /// How many.
        available: u32,
        /// The line that was crossed.
        threshold: u32,
    },
    /// None is available.
    StockRanOut {
        /// The SKU.
        sku: SkuId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// Stock, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    /// Units on the shelf.
    pub on_hand: u32,
    /// What is set aside of them.
    pub held: BTreeMap<ReservationId, Held>,
    /// What became of reservations, for [`REMEMBERED_DAYS`].
    pub settled: BTreeMap<ReservationId, Settled>,
    /// Deliveries and counts that were taken in.
    pub taken_in: BTreeSet<Uuid>,
    /// From how few available units on it is low.
    pub threshold: u32,
    /// Whether it was told that it is low.
    pub low: bool,
    /// Whether it was told that nothing is left.
    pub out: bool,
}

/// Units that are set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// For which kit.
    pub kit_id: KitId,
    /// How many.
    pub units: u32,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A reservation that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What became of it.
    pub fate: Fate,
    /// How many units it was about.
    pub units: u32,
    /// When.
    pub at: DateTime<Utc>,
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Fate {
    /// It could not be made.
    Declined,
    /// Its units left.
    Committed,
    /// It was given up.
    Released,
    /// Its time was over.
    Expired,
    /// Its units left and came back.
    Returned,
}

/// What can be asked of stock.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take a delivery in.
    Receive {
        /// The SKU.
        sku: SkuId,
        /// This delivery.
        delivery_id: Uuid,
        /// How many units, 1 to [`MAX_UNITS`].
        units: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Record a count. Where it is less than what is set aside, the latest reservations are released.
    Count {
        /// The SKU.
        sku: SkuId,
        /// This count.
        count_id: Uuid,
        /// How many units there are, at most [`MAX_UNITS`].
        found: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Say from when on it is low.
    SetThreshold {
        /// The SKU.
        sku: SkuId,
        /// From so few available units on; 0 for never.
        units: u32,
    },
    /// Set units aside.
    Reserve {
        /// The SKU.
        sku: SkuId,
        /// The new reservation.
        reservation_id: ReservationId,
        /// For which kit.
        kit_id: KitId,
        /// How many, at least 1.
        units: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Have them leave for the kit. One that has expired leaves all the same, if there are units for it.
    Commit {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// For which kit.
        kit_id: KitId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Have them back, whether they are set aside or have left.
    GiveBack {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// The kit that does not need them.
        kit_id: KitId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Have them back if their time is over. Sent by a timer, as often as it likes.
    Expire {
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be so many.
    #[error("{units} units of SKU {sku} are not possible: {reason}")]
    Quantity {
        /// The SKU.
        sku: SkuId,
        /// How many.
        units: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// A reservation ends after it begins.
    #[error("reservation {0} would be over before it began: give a later moment")]
    Over(ReservationId),
    /// It was never made, or is forgotten.
    #[error("there is no reservation {0} of SKU {1}: reserve first")]
    NotReserved(ReservationId, SkuId),
    /// It is of another kit.
    #[error("reservation {0} of SKU {1} is of another kit")]
    OfAnotherKit(ReservationId, SkuId),
}

impl Stock {
    /// Units that are set aside.
    pub fn reserved(&self) -> u32 {
        self.held.values().map(|held| held.units).sum()
    }

    /// Units that can be set aside: never negative, since the two are kept so.
    pub fn available(&self) -> u32 {
        self.on_hand - self.reserved()
    }

    fn settle(&mut self, reservation_id: ReservationId, fate: Fate, units: u32, at: DateTime<Utc>) {
        self.held.remove(&reservation_id);
        self.settled.insert(reservation_id, Settled { fate, units, at });
    }

    /// Forgets what nobody asks for any more. Done with deliveries and counts, which are rare.
    fn forget(&mut self, at: DateTime<Utc>) {
        self.settled.retain(|_, settled| settled.at + TimeDelta::days(REMEMBERED_DAYS) > at);
    }
}

impl Decider for Stock {
    const AGGREGATE: &'static str = "stock";
    const CONTEXT: &'static str = "kit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let sku = match &command {
            Command::Receive { sku, .. }
            | Command::Count { sku, .. }
            | Command::SetThreshold { sku, .. }
            | Command::Reserve { sku, .. }
            | Command::Commit { sku, .. }
            | Command::GiveBack { sku, .. }
            | Command::Expire { sku, .. } => sku.clone(),
        };
        let events = self.movements(command)?;
        Ok(self.with_crossings(&sku, events))
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::StockReceived { delivery_id, units, at, .. } => {
                self.on_hand += units;
                self.taken_in.insert(*delivery_id);
                self.forget(*at);
            }
            Event::StockCounted { count_id, found, at, .. } => {
                self.on_hand = *found;
                self.taken_in.insert(*count_id);
                self.forget(*at);
            }
            Event::StockThresholdSet { units, .. } => {
                self.threshold = *units;
                self.low = false;
            }
            Event::StockReserved { reservation_id, kit_id, units, expires_at, at, .. } => {
                let held = Held { kit_id: *kit_id, units: *units, expires_at: *expires_at, since: *at };
                self.held.insert(*reservation_id, held);
            }
            Event::StockReservationDeclined { reservation_id, units, at, .. } => {
                self.settle(*reservation_id, Fate::Declined, *units, *at);
            }
            Event::StockCommitted { reservation_id, units, at, .. } => {
                self.settle(*reservation_id, Fate::Committed, *units, *at);
                self.on_hand -= units;
            }
            Event::StockReleased { reservation_id, units, at, .. } => {
                self.settle(*reservation_id, Fate::Released, *units, *at);
            }
            Event::StockReservationExpired { reservation_id, units, at, .. } => {
                self.settle(*reservation_id, Fate::Expired, *units, *at);
            }
            Event::StockReturned { reservation_id, units, at, .. } => {
                self.settle(*reservation_id, Fate::Returned, *units, *at);
                self.on_hand += units;
            }
            Event::StockRanLow { .. } => self.low = true,
            Event::StockRanOut { .. } => self.out = true,
        }
        // What a count releases is free for no moment: the count that found it missing is the next event.
        if matches!(event, Event::StockReleased { cause: Cause::Shortfall, .. }) {
            return;
        }
        let available = self.available();
        self.low &= available <= self.threshold;
        self.out &= available == 0;
    }
}

#[cfg(test)]
mod tests;
