//! What must hold of every history of kits, at each position of the log.

use std::collections::{BTreeMap, BTreeSet};

use baeum_domain::{
    AnyEvent, Decider as _, Recorded,
    ids::{InvoiceId, KitId, ReservationId, SkuId},
    kit::{
        kit::{Event, Kit, Stage, id_of},
        stock::{self, Stock},
    },
    subscription::{invoice, refund},
};

/// What a history came to.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) kits: usize,
    pub(crate) delivered: usize,
    pub(crate) returned: usize,
    pub(crate) cancelled: BTreeMap<String, usize>,
    pub(crate) replaced: usize,
    pub(crate) expired: usize,
    pub(crate) refunded: usize,
}

#[derive(Default)]
struct Books {
    stocks: BTreeMap<String, Stock>,
    kits: BTreeMap<KitId, Kit>,
    paid: BTreeSet<InvoiceId>,
    refunds: BTreeSet<String>,
    /// Where the unit of each reservation that ever left is.
    left: BTreeMap<ReservationId, (SkuId, KitId, bool)>,
}

/// Checks a history from its first event to its last.
pub(crate) fn check(events: &[Recorded<AnyEvent>]) -> Sums {
    let (mut books, mut sums) = (Books::default(), Sums::default());
    for event in events {
        let at = event.position;
        match &event.payload {
            AnyEvent::Stock(change) => books.take_in_stock(&event.aggregate_id, change, at, &mut sums),
            AnyEvent::Invoice(invoice::Event::InvoicePaid { invoice_id, .. }) => {
                books.paid.insert(*invoice_id);
            }
            AnyEvent::Refund(refund::Event::RefundRequested { refund_id, .. }) => {
                assert!(books.refunds.insert(refund_id.to_string()), "position {at}: a refund is requested twice");
            }
            AnyEvent::Kit(change) => books.take_in_kit(change, at, &mut sums),
            _ => {}
        }
    }
    books.check_ends();
    sums.kits = books.kits.len();
    sums.refunded = books.refunds.len();
    sums
}

impl Books {
    fn take_in_stock(&mut self, id: &str, change: &stock::Event, at: i64, sums: &mut Sums) {
        let stock = self.stocks.entry(id.to_owned()).or_default();
        stock.evolve(change);
        assert!(stock.reserved() <= stock.on_hand, "position {at}: {} of {} units", stock.reserved(), stock.on_hand);
        match change {
            stock::Event::StockCommitted { sku, reservation_id, kit_id, .. } => {
                let before = self.left.insert(*reservation_id, (sku.clone(), *kit_id, true));
                assert!(before.is_none(), "position {at}: the units of {reservation_id} left twice");
            }
            stock::Event::StockReturned { reservation_id, .. } => {
                let unit = self.left.get_mut(reservation_id).expect("what comes back had left");
                assert!(unit.2, "position {at}: the units of {reservation_id} came back twice");
                unit.2 = false;
            }
            stock::Event::StockReservationExpired { .. } => sums.expired += 1,
            _ => {}
        }
    }

    fn take_in_kit(&mut self, change: &Event, at: i64, sums: &mut Sums) {
        let kit_id = match change {
            Event::KitOpened { kit_id, invoice_id, .. } => {
                assert_eq!(*kit_id, id_of(*invoice_id));
                assert!(!self.kits.contains_key(kit_id), "position {at}: kit {kit_id} is opened twice");
                *kit_id
            }
            Event::KitPaid { kit_id, invoice_id, .. } => {
                assert!(self.paid.contains(invoice_id), "position {at}: kit {kit_id} counts as paid and is not");
                *kit_id
            }
            Event::KitPacked { kit_id, .. } => {
                let order = self.kits[kit_id].order.as_ref().expect("opened");
                assert!(self.paid.contains(&order.invoice_id), "position {at}: kit {kit_id} is packed unpaid");
                let units = self.left.values().filter(|(_, kit, out)| kit == kit_id && *out).count();
                assert_eq!(units, order.items.len(), "position {at}: the units of kit {kit_id} have not left");
                *kit_id
            }
            Event::KitShipped { kit_id, .. } => {
                let order = self.kits[kit_id].order.as_ref().expect("opened");
                assert_eq!(order.stage, Stage::Packed, "position {at}");
                *kit_id
            }
            Event::KitItemReplaced { kit_id, .. } => {
                sums.replaced += 1;
                *kit_id
            }
            Event::KitDelivered { kit_id, .. } => {
                sums.delivered += 1;
                *kit_id
            }
            Event::KitReturned { kit_id, .. } => {
                sums.returned += 1;
                *kit_id
            }
            Event::KitCancelled { kit_id, reason, .. } => {
                *sums.cancelled.entry(reason.to_string()).or_default() += 1;
                *kit_id
            }
            Event::KitCompensated { kit_id, refund_id, refunded, .. } => {
                let requested = refund_id.is_some_and(|id| self.refunds.contains(&id.to_string()));
                assert_eq!(
                    requested,
                    refunded.is_positive(),
                    "position {at}: kit {kit_id} is made good without a refund"
                );
                *kit_id
            }
            Event::KitCurated { kit_id, .. }
            | Event::KitReserved { kit_id, .. }
            | Event::KitAddressMissing { kit_id, .. }
            | Event::KitInTransit { kit_id, .. }
            | Event::KitRevealed { kit_id, .. }
            | Event::KitUnitScanned { kit_id, .. }
            | Event::KitUnitRevoked { kit_id, .. } => *kit_id,
            _ => return,
        };
        self.kits.entry(kit_id).or_default().evolve(change);
    }

    /// What must hold once nothing is under way any more.
    fn check_ends(&self) {
        for stock in self.stocks.values() {
            assert!(stock.held.is_empty(), "reservations without an end: {:?}", stock.held);
        }
        for (kit_id, kit) in &self.kits {
            let order = kit.order.as_ref().expect("opened");
            let out = self.left.values().filter(|(_, of, out)| of == kit_id && *out).count();
            let lost = order.stage == Stage::Cancelled && order.units.len() == out && out > 0;
            match order.stage {
                Stage::Delivered => assert_eq!(out, order.items.len(), "kit {kit_id}"),
                Stage::Cancelled | Stage::Returned => {
                    assert!(out == 0 || lost, "kit {kit_id} is {} and {out} units are out", order.stage);
                    assert_eq!(order.compensated, order.paid_at.is_some(), "kit {kit_id} is {}", order.stage);
                }
                stage => panic!("kit {kit_id} is still {stage}"),
            }
        }
    }
}
