//! What each command does to the stock.

use std::cmp::Reverse;

use super::{Cause, Command, Error, Event, Fate, Held, MAX_UNITS, Stock};
use crate::{
    decider::Decider as _,
    ids::{KitId, ReservationId, SkuId},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

impl Stock {
    pub(super) fn movements(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Receive { sku, delivery_id, units, at } => self.receive(sku, delivery_id, units, at),
            Command::Count { sku, count_id, found, at } => self.count(sku, count_id, found, at),
            Command::SetThreshold { sku, units } if units > MAX_UNITS => {
                Err(Error::Quantity { sku, units, reason: "a threshold is at most 10000000" })
            }
            Command::SetThreshold { units, .. } if units == self.threshold => Ok(vec![]),
            Command::SetThreshold { sku, units } => Ok(vec![Event::StockThresholdSet { sku, units }]),
            Command::Reserve { sku, reservation_id, kit_id, units, expires_at, at } => {
                if self.held.contains_key(&reservation_id) || self.settled.contains_key(&reservation_id) {
                    return Ok(vec![]);
                }
                if !(1..=MAX_UNITS).contains(&units) {
                    return Err(Error::Quantity { sku, units, reason: "reserve at least one" });
                }
                if expires_at <= at {
                    return Err(Error::Over(reservation_id));
                }
                let available = self.available();
                Ok(vec![if units <= available {
                    Event::StockReserved { sku, reservation_id, kit_id, units, expires_at, at }
                } else {
                    Event::StockReservationDeclined { sku, reservation_id, kit_id, units, available, at }
                }])
            }
            Command::Commit { sku, reservation_id, kit_id, at } => self.commit(sku, reservation_id, kit_id, at),
            Command::GiveBack { sku, reservation_id, kit_id, at } => {
                Ok(self.give_back(sku, reservation_id, kit_id, at))
            }
            Command::Expire { sku, reservation_id, at } => Ok(self
                .held
                .get(&reservation_id)
                .filter(|held| held.expires_at <= at)
                .map(|held| {
                    let (kit_id, units) = (held.kit_id, held.units);
                    Event::StockReservationExpired { sku, reservation_id, kit_id, units, at }
                })
                .into_iter()
                .collect()),
        }
    }

    fn receive(&self, sku: SkuId, delivery_id: Uuid, units: u32, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        if self.taken_in.contains(&delivery_id) {
            return Ok(vec![]);
        }
        if units == 0 {
            return Err(Error::Quantity { sku, units, reason: "a delivery has at least one" });
        }
        if units > MAX_UNITS || self.on_hand + units > MAX_UNITS {
            return Err(Error::Quantity { sku, units, reason: "there would be more than 10000000 on the shelf" });
        }
        Ok(vec![Event::StockReceived { sku, delivery_id, units, at }])
    }

    fn count(&self, sku: SkuId, count_id: Uuid, found: u32, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        if self.taken_in.contains(&count_id) {
            return Ok(vec![]);
        }
        if found > MAX_UNITS {
            return Err(Error::Quantity { sku, units: found, reason: "there are at most 10000000 on the shelf" });
        }
        // Who came last goes without; first, so that never more is set aside than there is.
        let mut events = vec![];
        let mut latest: Vec<(&ReservationId, &Held)> = self.held.iter().collect();
        latest.sort_by_key(|(id, held)| Reverse((held.since, **id)));
        let mut reserved = self.reserved();
        for (reservation_id, held) in latest {
            if reserved <= found {
                break;
            }
            reserved -= held.units;
            events.push(Event::StockReleased {
                sku: sku.clone(),
                reservation_id: *reservation_id,
                kit_id: held.kit_id,
                units: held.units,
                cause: Cause::Shortfall,
                at,
            });
        }
        events.push(Event::StockCounted { sku, count_id, expected: self.on_hand, found, at });
        Ok(events)
    }

    fn commit(
        &self,
        sku: SkuId,
        reservation_id: ReservationId,
        kit_id: KitId,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        if let Some(held) = self.held.get(&reservation_id) {
            if held.kit_id != kit_id {
                return Err(Error::OfAnotherKit(reservation_id, sku));
            }
            return Ok(vec![Event::StockCommitted { sku, reservation_id, kit_id, units: held.units, at }]);
        }
        let settled = self.settled.get(&reservation_id);
        let settled = settled.ok_or_else(|| Error::NotReserved(reservation_id, sku.clone()))?;
        let (units, available) = (settled.units, self.available());
        match settled.fate {
            // Who waits for it has been told what became of it.
            Fate::Committed | Fate::Declined | Fate::Released | Fate::Returned => Ok(vec![]),
            Fate::Expired if units <= available => {
                Ok(vec![Event::StockCommitted { sku, reservation_id, kit_id, units, at }])
            }
            Fate::Expired => {
                Ok(vec![Event::StockReservationDeclined { sku, reservation_id, kit_id, units, available, at }])
            }
        }
    }

    fn give_back(&self, sku: SkuId, reservation_id: ReservationId, kit_id: KitId, at: DateTime<Utc>) -> Vec<Event> {
        if let Some(held) = self.held.get(&reservation_id) {
            let (units, cause) = (held.units, Cause::GivenUp);
            return vec![Event::StockReleased { sku, reservation_id, kit_id, units, cause, at }];
        }
        match self.settled.get(&reservation_id) {
            Some(settled) if settled.fate == Fate::Committed => {
                vec![Event::StockReturned { sku, reservation_id, kit_id, units: settled.units, at }]
            }
            // It has nothing to give back: it was never made, or did so before.
            _ => vec![],
        }
    }

    /// Adds what is to be told of the lines that `events` cross.
    pub(super) fn with_crossings(&self, sku: &SkuId, mut events: Vec<Event>) -> Vec<Event> {
        if events.is_empty() {
            return events;
        }
        let mut after = self.clone();
        for event in &events {
            after.evolve(event);
        }
        let (available, threshold) = (after.available(), after.threshold);
        if available == 0 && !after.out {
            events.push(Event::StockRanOut { sku: sku.clone() });
        }
        if threshold > 0 && available <= threshold && !after.low {
            events.push(Event::StockRanLow { sku: sku.clone(), available, threshold });
        }
        events
    }
}
