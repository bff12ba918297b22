//! What each command does to a kit.

use chrono::{DateTime, Utc};

use super::{CancelReason, Command, Error, Event, Item, Order, Stage, Unit, id_of, lesson_of, reservation_id, unit_id};
use crate::{
    ids::{KitId, UnitId, UserId},
    kit::{carrier::Whereabouts, curation::Choice},
    money::Money,
};

/// The first events of a kit.
pub(super) fn open(command: Command) -> Vec<Event> {
    let Command::Open { learner_id, subscription_id, period, invoice_id, limits, reveal_at, hold_until, choices, at } =
        command
    else {
        return vec![];
    };
    let kit_id = id_of(invoice_id);
    let opened =
        Event::KitOpened { kit_id, learner_id, subscription_id, period, invoice_id, limits, reveal_at, hold_until, at };
    let Ok(choices) = choices else {
        return vec![opened, Event::KitCancelled { kit_id, learner_id, reason: CancelReason::NothingSuitable, at }];
    };
    let items: Vec<Item> = (1..).zip(choices).map(|(slot, choice)| item(kit_id, slot, choice)).collect();
    let sum = Money::sum(limits.least.currency(), items.iter().map(|item| item.value));
    let value = sum.expect("what was chosen is of the currency of the limits, and within them");
    vec![opened, Event::KitCurated { kit_id, learner_id, items, value, hold_until }]
}

fn item(kit_id: KitId, slot: u8, choice: Choice) -> Item {
    let Choice { sku, listing, value, reason } = choice;
    let reservation_id = reservation_id(kit_id, slot, &sku);
    Item {
        slot,
        sku,
        kind: listing.kind,
        opens: listing.opens,
        grams: listing.parcel_grams,
        value,
        reservation_id,
        reason,
    }
}

impl Order {
    pub(super) fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let (kit_id, learner_id) = (self.kit_id, self.learner_id);
        let cancelled = self.stage == Stage::Cancelled;
        match command {
            Command::Open { .. } => Ok(vec![]),
            Command::Replace { slot, unavailable, choice, hold_until, at } => {
                let stands = self.items.get(&slot).is_some_and(|item| item.sku == unavailable);
                if !stands || self.stage > Stage::Curated {
                    return Ok(vec![]);
                }
                Ok(vec![match choice {
                    Some(choice) => {
                        let item = item(kit_id, slot, choice);
                        Event::KitItemReplaced { kit_id, learner_id, unavailable, item, hold_until }
                    }
                    None => Event::KitCancelled { kit_id, learner_id, reason: CancelReason::OutOfStock, at },
                }])
            }
            Command::NoteReserved if self.reserved || self.stage > Stage::Curated => Ok(vec![]),
            Command::NoteReserved => Ok(vec![Event::KitReserved { kit_id, learner_id }]),
            Command::NotePaid { .. } if self.paid_at.is_some() => Ok(vec![]),
            Command::NotePaid { at } => {
                Ok(vec![Event::KitPaid { kit_id, learner_id, invoice_id: self.invoice_id, at }])
            }
            // A command that was on its way when the kit was cancelled.
            Command::Pack { .. } if self.stage > Stage::Curated => Ok(vec![]),
            Command::Pack { at } => self.pack(at),
            Command::NoteAddressMissing { .. } if self.address_missing || self.stage != Stage::Packed => Ok(vec![]),
            Command::NoteAddressMissing { at } => Ok(vec![Event::KitAddressMissing { kit_id, learner_id, at }]),
            Command::Ship { .. } if cancelled => Err(Error::Cancelled(kit_id)),
            Command::Ship { .. } if self.stage < Stage::Packed => Err(Error::NotPacked(kit_id)),
            Command::Ship { .. } if self.stage > Stage::Packed => Ok(vec![]),
            Command::Ship { shipment, at } => Ok(vec![Event::KitShipped { kit_id, learner_id, shipment, at }]),
            Command::Track { whereabouts, at } => Ok(self.track(whereabouts, at)),
            Command::Reveal { .. } if self.is_shown() => Ok(vec![]),
            Command::Reveal { .. } if self.items.is_empty() => Err(Error::NoContents(kit_id)),
            Command::Reveal { at } => match self.reveal_at {
                Some(moment) if at < moment && !matches!(self.stage, Stage::Delivered | Stage::Returned) => {
                    Err(Error::NotYet(kit_id, moment))
                }
                _ => Ok(vec![Event::KitRevealed { kit_id, learner_id, at }]),
            },
            Command::Scan { unit_id, by, at } => self.scan(unit_id, by, at),
            Command::Revoke { slot, at } => self.revoke(slot, at),
            Command::Cancel { .. } if cancelled => Ok(vec![]),
            Command::Cancel { reason, at } => {
                let possible =
                    self.stage < Stage::Packed || (self.stage < Stage::Delivered && reason.holds_when_packed());
                if !possible {
                    return Err(Error::OnItsWay(kit_id, self.stage));
                }
                Ok(vec![Event::KitCancelled { kit_id, learner_id, reason, at }])
            }
            Command::Compensate { .. } if self.compensated => Ok(vec![]),
            Command::Compensate { refund, at } => {
                let owed = self.paid_at.is_some() && matches!(self.stage, Stage::Cancelled | Stage::Returned);
                if !owed {
                    return Err(Error::NothingOwed(kit_id));
                }
                let value = self.value();
                let (refund_id, refunded) = refund.unzip();
                let refunded = refunded.unwrap_or(Money::zero(value.currency()));
                Ok(vec![Event::KitCompensated { kit_id, learner_id, value, refund_id, refunded, at }])
            }
        }
    }

    fn pack(&self, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let kit_id = self.kit_id;
        if self.paid_at.is_none() {
            return Err(Error::NotReady(kit_id, "it is not paid"));
        }
        if !self.reserved {
            return Err(Error::NotReady(kit_id, "stock is not set aside for every item"));
        }
        let unit = |item: &Item| Unit {
            unit_id: unit_id(kit_id, item.slot),
            slot: item.slot,
            sku: item.sku.clone(),
            opens: item.opens.clone(),
        };
        let units = self.items.values().map(unit).collect();
        let grams = self.items.values().map(|item| item.grams).sum();
        Ok(vec![Event::KitPacked { kit_id, learner_id: self.learner_id, units, grams, at }])
    }

    /// What follows from news of the carrier: nothing from what is older than what is known.
    fn track(&self, whereabouts: Whereabouts, at: DateTime<Utc>) -> Vec<Event> {
        let (kit_id, learner_id) = (self.kit_id, self.learner_id);
        let reached = match whereabouts {
            Whereabouts::Accepted => Stage::Shipped,
            Whereabouts::InTransit => Stage::InTransit,
            Whereabouts::Delivered => Stage::Delivered,
            Whereabouts::Returned => Stage::Returned,
            Whereabouts::Lost => Stage::Cancelled,
        };
        // What was not handed over cannot be anywhere, and what was delivered is not lost.
        let late = reached <= self.stage || self.stage < Stage::Shipped;
        if late || (reached == Stage::Cancelled && self.stage >= Stage::Delivered) {
            return vec![];
        }
        let mut events = vec![match whereabouts {
            Whereabouts::Accepted => return vec![],
            Whereabouts::InTransit => Event::KitInTransit { kit_id, learner_id, at },
            Whereabouts::Delivered => Event::KitDelivered { kit_id, learner_id, at },
            Whereabouts::Returned => Event::KitReturned { kit_id, learner_id, at },
            Whereabouts::Lost => Event::KitCancelled { kit_id, learner_id, reason: CancelReason::Lost, at },
        }];
        if whereabouts == Whereabouts::Delivered && !self.is_shown() {
            events.push(Event::KitRevealed { kit_id, learner_id, at });
        }
        events
    }

    fn scan(&self, unit_id: UnitId, by: UserId, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (kit_id, learner_id) = (self.kit_id, self.learner_id);
        let unit = self.units.get(&unit_id).ok_or_else(|| Error::UnknownUnit(kit_id, unit_id.to_string()))?;
        if by != learner_id {
            return Err(Error::NotYours(unit_id));
        }
        if self.revoked.contains(&unit_id) || self.stage >= Stage::Returned {
            return Err(Error::Revoked(unit_id));
        }
        if self.scanned.contains(&unit_id) {
            return Ok(vec![]);
        }
        let (sku, clip_id, lesson_id) = (unit.sku.clone(), unit.opens.clone(), lesson_of(unit_id));
        Ok(vec![Event::KitUnitScanned { kit_id, learner_id, unit_id, sku, clip_id, lesson_id, at }])
    }

    fn revoke(&self, slot: u8, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let (kit_id, learner_id) = (self.kit_id, self.learner_id);
        let unit = self.units.values().find(|unit| unit.slot == slot);
        let unit_id = unit.ok_or_else(|| Error::UnknownUnit(kit_id, slot.to_string()))?.unit_id;
        if self.revoked.contains(&unit_id) {
            return Ok(vec![]);
        }
        Ok(vec![Event::KitUnitRevoked { kit_id, learner_id, unit_id, at }])
    }
}
