//! A learning kit: what belongs to one paid period of a subscription.
//!
//! Life cycle: opened and curated; reserved and paid, in either order; packed with a QR code a unit; handed to the
//! carrier, in transit, delivered; perhaps returned. It can be cancelled from any step until it is delivered.
//!
//! Invariants:
//! - Its id is that of its invoice, so there is one kit a bill.
//! - Nothing is packed that is not paid and reserved, and nothing is handed over that is not packed.
//! - Where it is only goes on: news of the carrier that come late or twice change nothing.
//! - What was paid for a kit that is cancelled or came back is compensated once.
//! - A unit is opened by its owner alone, from when it was packed, until it is revoked or the kit comes back.
//! - A blind box shows nothing before it is delivered or its moment has come.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    carrier::Whereabouts,
    curation::{Choice, Reason, Unsuitable},
    plan::ValueLimits,
    sku::Kind,
};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{
        ClipId, InvoiceId, KitId, LessonId, RefundId, ReservationId, SkuId, SubscriptionId, UnitId, UserId, derive_id,
    },
    money::Money,
    sealed::Sealed,
};

mod rules;

/// The kit of an invoice.
pub fn id_of(invoice_id: InvoiceId) -> KitId {
    KitId(derive_id(&["kit", &invoice_id.to_string()]))
}

/// The reservation of a SKU for a place in a kit.
pub fn reservation_id(kit_id: KitId, slot: u8, sku: &SkuId) -> ReservationId {
    ReservationId(derive_id(&["reservation", &kit_id.to_string(), &slot.to_string(), sku.as_str()]))
}

/// The unit at a place of a kit.
pub fn unit_id(kit_id: KitId, slot: u8) -> UnitId {
    UnitId(derive_id(&["unit", &kit_id.to_string(), &slot.to_string()]))
}

/// The lesson that a unit opens.
pub fn lesson_of(unit_id: UnitId) -> LessonId {
    LessonId(derive_id(&["lesson", "unit", &unit_id.to_string()]))
}

/// The refund of a kit.
pub fn refund_of(kit_id: KitId) -> RefundId {
    RefundId(derive_id(&["refund", "kit", &kit_id.to_string()]))
}

/// An item of a kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its place in the kit, from 1.
    pub slot: u8,
    /// What it is.
    pub sku: SkuId,
    /// What kind of thing.
    pub kind: Kind,
    /// The clip that its QR code opens a lesson on.
    pub opens: ClipId,
    /// What it weighs, in grams.
    pub grams: u32,
    /// What it is worth.
    pub value: Money,
    /// The reservation of its stock.
    pub reservation_id: ReservationId,
    /// Why it was chosen.
    pub reason: Reason,
}

/// A unit in the parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unit {
    /// What its QR code names.
    pub unit_id: UnitId,
    /// Its place in the kit.
    pub slot: u8,
    /// What it is.
    pub sku: SkuId,
    /// The clip that its QR code opens a lesson on.
    pub opens: ClipId,
}

/// Why a kit was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CancelReason {
    /// No SKUs that could be had suited the learner and made the value.
    NothingSuitable,
    /// An item could not be had, nor another in its place.
    OutOfStock,
    /// Its bill was given up.
    NotPaid,
    /// The subscription was cancelled before the bill was paid.
    SubscriptionEnded,
    /// The learner gave no address in time.
    NoAddress,
    /// The carrier does not take it.
    CarrierRefused,
    /// The carrier lost it.
    Lost,
    /// An administrator wanted it.
    Requested,
}

impl CancelReason {
    /// Whether it holds for a kit that was packed: it is then the carrier's, or cannot be sent.
    fn holds_when_packed(self) -> bool {
        matches!(self, Self::NoAddress | Self::CarrierRefused | Self::Lost)
    }
}

/// What can have happened to a kit.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A period with a kit began.
    KitOpened {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Which period of it.
        period: u32,
        /// The bill that it waits for.
        invoice_id: InvoiceId,
        /// What it is to be worth.
        limits: ValueLimits,
        /// When contents are shown at the latest; at once where this is left out.
        reveal_at: Option<DateTime<Utc>>,
        /// Until when stock is held for it while it is not paid.
        hold_until: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was chosen what it is made of.
    KitCurated {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// Its items.
        items: Vec<Item>,
        /// What they are worth together.
        value: Money,
        /// Until when stock is held for them.
        hold_until: DateTime<Utc>,
    },
    /// An item could not be had, and another takes its place.
    KitItemReplaced {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// What could not be had.
        unavailable: SkuId,
        /// What takes its place.
        item: Item,
        /// Until when stock is held for it.
        hold_until: DateTime<Utc>,
    },
    /// Stock is set aside for every item.
    KitReserved {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
    },
    /// Its bill was paid.
    KitPaid {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// The bill.
        invoice_id: InvoiceId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was packed, each unit with its QR code.
    KitPacked {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// Its units.
        units: Vec<Unit>,
        /// What the parcel weighs, in grams.
        grams: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// It cannot go, since it is not known where to.
    KitAddressMissing {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// When that was found.
        at: DateTime<Utc>,
    },
    /// The carrier has it.
    KitShipped {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// The carrier's name of the shipment, sealed: whoever has it learns of the address.
        shipment: Sealed,
        /// When.
        at: DateTime<Utc>,
    },
    /// It is on its way.
    KitInTransit {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was delivered.
    KitDelivered {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It came back. Its QR codes open nothing any more.
    KitReturned {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The contents of a blind box are shown.
    KitRevealed {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its owner scanned the QR code of a unit, for the first time.
    KitUnitScanned {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// The unit.
        unit_id: UnitId,
        /// What it is.
        sku: SkuId,
        /// The clip.
        clip_id: ClipId,
        /// The lesson that it opens.
        lesson_id: LessonId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The QR code of a unit opens nothing any more.
    KitUnitRevoked {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// The unit.
        unit_id: UnitId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It will not come. What was set aside for it goes back, and what was paid for it is compensated.
    KitCancelled {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// Why.
        reason: CancelReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// What was paid for it was made good, as far as there was a charge to refund.
    KitCompensated {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// What it was worth.
        value: Money,
        /// The refund, where there is something to refund.
        refund_id: Option<RefundId>,
        /// How much it gives back.
        refunded: Money,
        /// When.
        at: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A kit, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kit {
    /// Set once opened.
    pub order: Option<Order>,
}

/// An opened kit.
#[allow(clippy::struct_excessive_bools, reason = "what holds of a kit besides its stage holds in any order")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The kit.
    pub kit_id: KitId,
    /// Whose kit.
    pub learner_id: UserId,
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Which period of it.
    pub period: u32,
    /// The bill that it waits for.
    pub invoice_id: InvoiceId,
    /// What it is to be worth.
    pub limits: ValueLimits,
    /// When contents are shown at the latest.
    pub reveal_at: Option<DateTime<Utc>>,
    /// Until when stock is held for it while it is not paid.
    pub hold_until: DateTime<Utc>,
    /// Its items by their places.
    pub items: BTreeMap<u8, Item>,
    /// What could not be had.
    pub unavailable: BTreeSet<SkuId>,
    /// Where it is.
    pub stage: Stage,
    /// Whether stock is set aside for every item.
    pub reserved: bool,
    /// When its bill was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// Whether the contents of a blind box are shown.
    pub revealed: bool,
    /// Whether it was told that no address is known.
    pub address_missing: bool,
    /// Its units once packed.
    pub units: BTreeMap<UnitId, Unit>,
    /// Units that were scanned.
    pub scanned: BTreeSet<UnitId>,
    /// Units whose codes open nothing any more.
    pub revoked: BTreeSet<UnitId>,
    /// Whether what was paid was made good.
    pub compensated: bool,
}

/// Where a kit is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// It is known what it is made of.
    Curated,
    /// In its parcel.
    Packed,
    /// With the carrier.
    Shipped,
    /// On its way.
    InTransit,
    /// With its owner.
    Delivered,
    /// Back with us.
    Returned,
    /// It will not come.
    Cancelled,
}

/// What can be asked of a kit.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a command is made once and decided at once")]
pub enum Command {
    /// Open it, with what was chosen.
    Open {
        /// Whose kit.
        learner_id: UserId,
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Which period of it.
        period: u32,
        /// The bill that it waits for, which gives it its id.
        invoice_id: InvoiceId,
        /// What it is to be worth.
        limits: ValueLimits,
        /// When contents are shown at the latest; `None` for at once.
        reveal_at: Option<DateTime<Utc>>,
        /// Until when stock is held for it while it is not paid.
        hold_until: DateTime<Utc>,
        /// What was chosen.
        choices: Result<Vec<Choice>, Unsuitable>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Put something else where an item cannot be had, or cancel the kit where there is nothing else.
    Replace {
        /// The place.
        slot: u8,
        /// What cannot be had.
        unavailable: SkuId,
        /// What takes its place.
        choice: Option<Choice>,
        /// Until when stock is held for it.
        hold_until: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Stock is set aside for every item.
    NoteReserved,
    /// Its bill was paid.
    NotePaid {
        /// When.
        at: DateTime<Utc>,
    },
    /// Pack it. Comes after the stock of every item was committed.
    Pack {
        /// Now.
        at: DateTime<Utc>,
    },
    /// No address is known.
    NoteAddressMissing {
        /// Now.
        at: DateTime<Utc>,
    },
    /// The carrier took it.
    Ship {
        /// The carrier's name of the shipment, sealed.
        shipment: Sealed,
        /// Now.
        at: DateTime<Utc>,
    },
    /// The carrier told where it is, as often and in whichever order it likes.
    Track {
        /// Where.
        whereabouts: Whereabouts,
        /// When that was so.
        at: DateTime<Utc>,
    },
    /// Show its contents.
    Reveal {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Open a unit by its QR code.
    Scan {
        /// The unit.
        unit_id: UnitId,
        /// Who scans it.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Have the QR code of a unit open nothing any more.
    Revoke {
        /// The unit's place.
        slot: u8,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Cancel it.
    Cancel {
        /// Why.
        reason: CancelReason,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Record how what was paid was made good.
    Compensate {
        /// The refund, with how much it gives back; `None` where there is no charge to refund.
        refund: Option<(RefundId, Money)>,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such kit.
    #[error("there is no such kit")]
    NotOpened,
    /// It exists, for another bill or learner.
    #[error("kit {0} was opened for another bill or learner")]
    AlreadyOpened(KitId),
    /// It cannot be packed yet.
    #[error("kit {0} cannot be packed: {1}")]
    NotReady(KitId, &'static str),
    /// It is not packed.
    #[error("kit {0} is not packed: pack it first")]
    NotPacked(KitId),
    /// It was cancelled.
    #[error("kit {0} was cancelled")]
    Cancelled(KitId),
    /// It is too late to cancel it.
    #[error("kit {0} is {1} and cannot be cancelled any more: it can be sent back")]
    OnItsWay(KitId, Stage),
    /// Contents are not shown yet.
    #[error("the contents of kit {0} are shown on delivery, or at {1}: wait until then")]
    NotYet(KitId, DateTime<Utc>),
    /// There is nothing to show.
    #[error("kit {0} has no contents to show")]
    NoContents(KitId),
    /// It has no such unit.
    #[error("kit {0} has no unit {1}: it has as many as it was packed with, from 1")]
    UnknownUnit(KitId, String),
    /// The unit is somebody else's.
    #[error("unit {0} is not yours: its owner can scan it")]
    NotYours(UnitId),
    /// Its code opens nothing any more.
    #[error("the code of unit {0} was revoked: it opens nothing any more")]
    Revoked(UnitId),
    /// Nothing is owed.
    #[error("nothing is owed for kit {0}: it was not paid, or is not cancelled or returned")]
    NothingOwed(KitId),
}

impl Order {
    /// What it is worth: its items, or the least that was promised where it has none.
    pub fn value(&self) -> Money {
        let currency = self.limits.least.currency();
        let sum = Money::sum(currency, self.items.values().map(|item| item.value)).unwrap_or(self.limits.least);
        if self.items.is_empty() { self.limits.least } else { sum }
    }

    /// Whether its contents may be shown to its owner.
    pub fn is_shown(&self) -> bool {
        self.reveal_at.is_none() || self.revealed
    }
}

impl Decider for Kit {
    const AGGREGATE: &'static str = "kit";
    const CONTEXT: &'static str = "kit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (&self.order, command) {
            (None, open @ Command::Open { .. }) => Ok(rules::open(open)),
            (Some(order), Command::Open { learner_id, invoice_id, .. }) => {
                let same = order.learner_id == learner_id && order.invoice_id == invoice_id;
                if same { Ok(vec![]) } else { Err(Error::AlreadyOpened(order.kit_id)) }
            }
            (None, _) => Err(Error::NotOpened),
            (Some(order), command) => order.decide(command),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::KitOpened {
            kit_id,
            learner_id,
            subscription_id,
            period,
            invoice_id,
            limits,
            reveal_at,
            hold_until,
            ..
        } = event
        {
            self.order = Some(Order {
                kit_id: *kit_id,
                learner_id: *learner_id,
                subscription_id: *subscription_id,
                period: *period,
                invoice_id: *invoice_id,
                limits: *limits,
                reveal_at: *reveal_at,
                hold_until: *hold_until,
                items: BTreeMap::new(),
                unavailable: BTreeSet::new(),
                stage: Stage::Curated,
                reserved: false,
                paid_at: None,
                revealed: false,
                address_missing: false,
                units: BTreeMap::new(),
                scanned: BTreeSet::new(),
                revoked: BTreeSet::new(),
                compensated: false,
            });
            return;
        }
        let Some(order) = &mut self.order else { return };
        match event {
            Event::KitOpened { .. } => {}
            Event::KitCurated { items, .. } => {
                order.items = items.iter().map(|item| (item.slot, item.clone())).collect();
            }
            Event::KitItemReplaced { unavailable, item, .. } => {
                order.unavailable.insert(unavailable.clone());
                order.items.insert(item.slot, item.clone());
                order.reserved = false;
            }
            Event::KitReserved { .. } => order.reserved = true,
            Event::KitPaid { at, .. } => order.paid_at = Some(*at),
            Event::KitPacked { units, .. } => {
                order.units = units.iter().map(|unit| (unit.unit_id, unit.clone())).collect();
                order.stage = Stage::Packed;
            }
            Event::KitAddressMissing { .. } => order.address_missing = true,
            Event::KitShipped { .. } => order.stage = Stage::Shipped,
            Event::KitInTransit { .. } => order.stage = Stage::InTransit,
            Event::KitDelivered { .. } => order.stage = Stage::Delivered,
            Event::KitReturned { .. } => order.stage = Stage::Returned,
            Event::KitRevealed { .. } => order.revealed = true,
            Event::KitUnitScanned { unit_id, .. } => {
                order.scanned.insert(*unit_id);
            }
            Event::KitUnitRevoked { unit_id, .. } => {
                order.revoked.insert(*unit_id);
            }
            Event::KitCancelled { .. } => order.stage = Stage::Cancelled,
            Event::KitCompensated { .. } => order.compensated = true,
        }
    }
}

#[cfg(test)]
mod tests;
