use uuid::Uuid;

use super::*;
use crate::{
    kit::{
        plan::samples::terms,
        sku::samples::{listing, sku},
    },
    level::Cefr,
    money::samples::money,
    spec::given,
};

const MINA: UserId = UserId(Uuid::from_u128(1));
const INVOICE: InvoiceId = InvoiceId(Uuid::from_u128(2));

fn at(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000 + day)
}

fn kit_id() -> KitId {
    id_of(INVOICE)
}

fn choice(name: &str, krw: i64) -> Choice {
    Choice {
        sku: sku(name),
        listing: listing(Kind::Book, Cefr::B1, "food", krw),
        value: money(krw, "KRW"),
        reason: Reason { level_distance: 0, interests: BTreeSet::new(), had_before: false, points: 40, rank: 1 },
    }
}

fn open(choices: Result<Vec<Choice>, Unsuitable>, reveal: Option<i64>) -> Command {
    Command::Open {
        learner_id: MINA,
        subscription_id: SubscriptionId(Uuid::from_u128(7)),
        period: 1,
        invoice_id: INVOICE,
        limits: terms(2).limits[0],
        reveal_at: reveal.map(at),
        hold_until: at(21),
        choices,
        at: at(0),
    }
}

fn opened(reveal: Option<i64>) -> Vec<Event> {
    Kit::default().decide(open(Ok(vec![choice("book", 9_000), choice("cards", 5_000)]), reveal)).expect("opened")
}

fn event(kind: &str, day: i64) -> Event {
    let (kit_id, learner_id, at) = (kit_id(), MINA, at(day));
    match kind {
        "reserved" => Event::KitReserved { kit_id, learner_id },
        "paid" => Event::KitPaid { kit_id, learner_id, invoice_id: INVOICE, at },
        "shipped" => Event::KitShipped { kit_id, learner_id, shipment: sealed(), at },
        "in transit" => Event::KitInTransit { kit_id, learner_id, at },
        "delivered" => Event::KitDelivered { kit_id, learner_id, at },
        "returned" => Event::KitReturned { kit_id, learner_id, at },
        "revealed" => Event::KitRevealed { kit_id, learner_id, at },
        "no address" => Event::KitAddressMissing { kit_id, learner_id, at },
        "packed" => {
            let unit = |slot, name| Unit {
                unit_id: unit_id(kit_id, slot),
                slot,
                sku: sku(name),
                opens: "market".parse().expect("a clip id"),
            };
            Event::KitPacked { kit_id, learner_id, units: vec![unit(1, "book"), unit(2, "cards")], grams: 500, at }
        }
        reason => Event::KitCancelled { kit_id, learner_id, reason: reason.parse().expect("a reason"), at },
    }
}

fn sealed() -> Sealed {
    Sealed { key_id: Uuid::from_u128(9), nonce: "bm9uY2U=".into(), ciphertext: "dGV4dA==".into() }
}

fn history(kinds: &[&str]) -> Vec<Event> {
    opened(None).into_iter().chain(kinds.iter().map(|kind| event(kind, 1))).collect()
}

fn scan(unit: UnitId, by: UserId) -> Command {
    Command::Scan { unit_id: unit, by, at: at(9) }
}

#[test]
fn a_kit_is_opened_once_a_bill_with_what_was_chosen() {
    let events = opened(None);
    let Event::KitCurated { items, value, .. } = &events[1] else { panic!("not curated: {events:?}") };
    assert_eq!((items.len(), *value), (2, money(14_000, "KRW")));
    assert_eq!((items[0].slot, items[1].slot), (1, 2));
    assert_ne!(items[0].reservation_id, items[1].reservation_id);
    given::<Kit>(events).when(open(Ok(vec![choice("other", 1)]), None)).then([]);
}

#[test]
fn a_kit_for_which_nothing_suits_is_cancelled_and_worth_the_least_that_was_promised() {
    let events = Kit::default().decide(open(Err(Unsuitable { items: 2, candidates: 0 }), None)).expect("opened");
    assert_eq!(events[1], event("nothing_suitable", 0));
    assert_eq!(Kit::fold(&events).order.expect("opened").value(), money(5_000, "KRW"));
}

#[test]
fn an_item_that_cannot_be_had_gives_way_to_another_or_the_kit_is_cancelled() {
    let replace =
        |choice| Command::Replace { slot: 2, unavailable: sku("cards"), choice, hold_until: at(21), at: at(1) };
    let item = Item {
        slot: 2,
        sku: sku("tea"),
        kind: Kind::Book,
        opens: "market".parse().expect("a clip id"),
        grams: 250,
        value: money(4_000, "KRW"),
        reservation_id: reservation_id(kit_id(), 2, &sku("tea")),
        reason: choice("tea", 4_000).reason,
    };
    let (kit_id, learner_id, unavailable) = (kit_id(), MINA, sku("cards"));
    let replaced = Event::KitItemReplaced { kit_id, learner_id, unavailable, item, hold_until: at(21) };
    given::<Kit>(history(&["reserved"])).when(replace(Some(choice("tea", 4_000)))).then([replaced.clone()]);
    given::<Kit>(history(&[])).when(replace(None)).then([event("out_of_stock", 1)]);
    // What was replaced once is not replaced again.
    given::<Kit>([history(&[]), vec![replaced]].concat()).when(replace(None)).then([]);
    given::<Kit>(history(&["not_paid"])).when(replace(Some(choice("tea", 4_000)))).then([]);
}

#[test]
fn nothing_is_packed_that_is_not_paid_and_reserved() {
    let pack = Command::Pack { at: at(1) };
    given::<Kit>(history(&["reserved"])).when(pack.clone()).then_refused("not paid");
    given::<Kit>(history(&["paid"])).when(pack.clone()).then_refused("not set aside");
    given::<Kit>(history(&["reserved", "paid"])).when(pack.clone()).then([event("packed", 1)]);
    given::<Kit>(history(&["paid", "reserved"])).when(pack.clone()).then([event("packed", 1)]);
    given::<Kit>(history(&["reserved", "paid", "out_of_stock"])).when(pack).then([]);
}

#[test]
fn a_kit_is_handed_over_once_it_is_packed() {
    let ship = Command::Ship { shipment: sealed(), at: at(1) };
    given::<Kit>(history(&["reserved", "paid"])).when(ship.clone()).then_refused("not packed");
    given::<Kit>(history(&["reserved", "paid", "packed"])).when(ship.clone()).then([event("shipped", 1)]);
    given::<Kit>(history(&["reserved", "paid", "packed", "no_address"])).when(ship).then_refused("was cancelled");
    let missing = Command::NoteAddressMissing { at: at(1) };
    given::<Kit>(history(&["reserved", "paid", "packed"])).when(missing).then([event("no address", 1)]);
}

#[test]
fn news_of_the_carrier_go_forward_only() {
    let track = |whereabouts| Command::Track { whereabouts, at: at(1) };
    let shipped = history(&["reserved", "paid", "packed", "shipped"]);
    given::<Kit>(shipped.clone()).when(track(Whereabouts::Accepted)).then([]);
    given::<Kit>(shipped.clone()).when(track(Whereabouts::InTransit)).then([event("in transit", 1)]);
    given::<Kit>(shipped.clone()).when(track(Whereabouts::Delivered)).then([event("delivered", 1)]);
    given::<Kit>(shipped.clone()).when(track(Whereabouts::Lost)).then([event("lost", 1)]);
    let delivered = [shipped, vec![event("delivered", 1)]].concat();
    given::<Kit>(delivered.clone()).when(track(Whereabouts::InTransit)).then([]);
    given::<Kit>(delivered.clone()).when(track(Whereabouts::Lost)).then([]);
    given::<Kit>(delivered).when(track(Whereabouts::Returned)).then([event("returned", 1)]);
    given::<Kit>(history(&["reserved", "paid", "packed"])).when(track(Whereabouts::Delivered)).then([]);
}

#[test]
fn a_blind_box_is_shown_on_delivery_or_in_its_time() {
    let reveal = |day| Command::Reveal { at: at(day) };
    given::<Kit>(opened(Some(10))).when(reveal(9)).then_refused("are shown on delivery");
    given::<Kit>(opened(Some(10))).when(reveal(10)).then([event("revealed", 10)]);
    given::<Kit>(opened(None)).when(reveal(1)).then([]);
    let on_its_way = ["reserved", "paid", "packed", "shipped"].map(|kind| event(kind, 1));
    let on_its_way = [opened(Some(10)), on_its_way.to_vec()].concat();
    given::<Kit>(on_its_way)
        .when(Command::Track { whereabouts: Whereabouts::Delivered, at: at(3) })
        .then([event("delivered", 3), event("revealed", 3)]);
}

#[test]
fn a_unit_is_opened_by_its_owner_once_and_not_after_it_was_revoked() {
    let (unit, packed) = (unit_id(kit_id(), 1), ["reserved", "paid", "packed"]);
    let scanned = Event::KitUnitScanned {
        kit_id: kit_id(),
        learner_id: MINA,
        unit_id: unit,
        sku: sku("book"),
        clip_id: "market".parse().expect("a clip id"),
        lesson_id: lesson_of(unit),
        at: at(9),
    };
    given::<Kit>(history(&packed)).when(scan(unit, MINA)).then([scanned.clone()]);
    given::<Kit>([history(&packed), vec![scanned]].concat()).when(scan(unit, MINA)).then([]);
    given::<Kit>(history(&packed)).when(scan(unit, UserId(Uuid::from_u128(2)))).then_refused("not yours");
    given::<Kit>(history(&packed)).when(scan(UnitId(Uuid::nil()), MINA)).then_refused("has no unit");
    given::<Kit>(history(&["reserved"])).when(scan(unit, MINA)).then_refused("has no unit");
    let revoked = Event::KitUnitRevoked { kit_id: kit_id(), learner_id: MINA, unit_id: unit, at: at(8) };
    let revoke = |slot| Command::Revoke { slot, at: at(8) };
    given::<Kit>(history(&packed)).when(revoke(1)).then([revoked.clone()]);
    given::<Kit>(history(&packed)).when(revoke(3)).then_refused("has no unit 3");
    given::<Kit>([history(&packed), vec![revoked]].concat()).when(scan(unit, MINA)).then_refused("was revoked");
    let back = history(&["reserved", "paid", "packed", "shipped", "delivered", "returned"]);
    given::<Kit>(back).when(scan(unit, MINA)).then_refused("was revoked");
}

#[test]
fn a_kit_is_cancelled_until_it_is_packed_and_then_only_by_the_way_it_goes() {
    let cancel = |reason| Command::Cancel { reason, at: at(1) };
    given::<Kit>(history(&["reserved", "paid"])).when(cancel(CancelReason::Requested)).then([event("requested", 1)]);
    let packed = ["reserved", "paid", "packed"];
    given::<Kit>(history(&packed)).when(cancel(CancelReason::Requested)).then_refused("can be sent back");
    given::<Kit>(history(&packed)).when(cancel(CancelReason::CarrierRefused)).then([event("carrier_refused", 1)]);
    let delivered = history(&["reserved", "paid", "packed", "shipped", "delivered"]);
    given::<Kit>(delivered).when(cancel(CancelReason::Lost)).then_refused("is delivered");
}

#[test]
fn what_was_paid_is_made_good_once_and_only_where_it_is_owed() {
    let refund = (refund_of(kit_id()), money(14_000, "KRW"));
    let compensate = Command::Compensate { refund: Some(refund), at: at(1) };
    let compensated = Event::KitCompensated {
        kit_id: kit_id(),
        learner_id: MINA,
        value: money(14_000, "KRW"),
        refund_id: Some(refund.0),
        refunded: refund.1,
        at: at(1),
    };
    given::<Kit>(history(&["paid", "out_of_stock"])).when(compensate.clone()).then([compensated.clone()]);
    // Paid after it was cancelled is owed all the same.
    given::<Kit>(history(&["out_of_stock", "paid"])).when(compensate.clone()).then([compensated]);
    given::<Kit>(history(&["out_of_stock"])).when(compensate.clone()).then_refused("nothing is owed");
    given::<Kit>(history(&["paid"])).when(compensate).then_refused("nothing is owed");
}
