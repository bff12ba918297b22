use proptest::prelude::*;

use super::*;
use crate::{kit::sku::samples::sku, spec::given};

fn at(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day)
}

fn reservation(n: u128) -> ReservationId {
    ReservationId(Uuid::from_u128(n))
}

fn kit(n: u128) -> KitId {
    KitId(Uuid::from_u128(n))
}

fn received(units: u32) -> Event {
    Event::StockReceived { sku: sku("tea"), delivery_id: Uuid::from_u128(100), units, at: at(0) }
}

fn reserve(n: u128, units: u32) -> Command {
    let (reservation_id, kit_id) = (reservation(n), kit(n));
    Command::Reserve { sku: sku("tea"), reservation_id, kit_id, units, expires_at: at(21), at: at(1) }
}

fn reserved(n: u128, units: u32) -> Event {
    let (reservation_id, kit_id) = (reservation(n), kit(n));
    Event::StockReserved { sku: sku("tea"), reservation_id, kit_id, units, expires_at: at(21), at: at(1) }
}

fn commit(n: u128) -> Command {
    Command::Commit { sku: sku("tea"), reservation_id: reservation(n), kit_id: kit(n), at: at(2) }
}

fn committed(n: u128, units: u32) -> Event {
    Event::StockCommitted { sku: sku("tea"), reservation_id: reservation(n), kit_id: kit(n), units, at: at(2) }
}

fn give_back(n: u128) -> Command {
    Command::GiveBack { sku: sku("tea"), reservation_id: reservation(n), kit_id: kit(n), at: at(3) }
}

fn expired(n: u128, units: u32) -> Event {
    Event::StockReservationExpired {
        sku: sku("tea"),
        reservation_id: reservation(n),
        kit_id: kit(n),
        units,
        at: at(21),
    }
}

fn ran_out() -> Event {
    Event::StockRanOut { sku: sku("tea") }
}

#[test]
fn units_are_received_once_a_delivery() {
    let receive = Command::Receive { sku: sku("tea"), delivery_id: Uuid::from_u128(100), units: 10, at: at(0) };
    given::<Stock>([]).when(receive.clone()).then([received(10)]);
    given::<Stock>([received(10)]).when(receive).then([]);
    let nothing = Command::Receive { sku: sku("tea"), delivery_id: Uuid::from_u128(101), units: 0, at: at(0) };
    given::<Stock>([]).when(nothing).then_refused("at least one");
    let flood = Command::Receive { sku: sku("tea"), delivery_id: Uuid::from_u128(101), units: MAX_UNITS, at: at(0) };
    given::<Stock>([received(10)]).when(flood).then_refused("more than 10000000");
}

#[test]
fn what_is_there_is_reserved_and_what_is_not_is_declined() {
    given::<Stock>([received(10)]).when(reserve(1, 3)).then([reserved(1, 3)]);
    let declined = Event::StockReservationDeclined {
        sku: sku("tea"),
        reservation_id: reservation(2),
        kit_id: kit(2),
        units: 8,
        available: 7,
        at: at(1),
    };
    given::<Stock>([received(10), reserved(1, 3)]).when(reserve(2, 8)).then([declined]);
    given::<Stock>([received(10)]).when(reserve(1, 0)).then_refused("at least one");
    let past = Command::Reserve {
        sku: sku("tea"),
        reservation_id: reservation(1),
        kit_id: kit(1),
        units: 1,
        expires_at: at(1),
        at: at(1),
    };
    given::<Stock>([received(10)]).when(past).then_refused("over before it began");
}

#[test]
fn committed_units_leave_and_come_back_once() {
    let history = [received(10), reserved(1, 3)];
    given::<Stock>(history.clone()).when(commit(1)).then([committed(1, 3)]);
    let left = Stock::fold(&[received(10), reserved(1, 3), committed(1, 3)]);
    assert_eq!((left.on_hand, left.reserved(), left.available()), (7, 0, 7));
    let returned =
        Event::StockReturned { sku: sku("tea"), reservation_id: reservation(1), kit_id: kit(1), units: 3, at: at(3) };
    given::<Stock>([received(10), reserved(1, 3), committed(1, 3)]).when(give_back(1)).then([returned.clone()]);
    let back = [received(10), reserved(1, 3), committed(1, 3), returned];
    assert_eq!(Stock::fold(&back).available(), 10);
    given::<Stock>(back).when(commit(1)).then([]);
}

#[test]
fn a_reservation_that_is_given_up_is_available_again() {
    let released = Event::StockReleased {
        sku: sku("tea"),
        reservation_id: reservation(1),
        kit_id: kit(1),
        units: 3,
        cause: Cause::GivenUp,
        at: at(3),
    };
    given::<Stock>([received(10), reserved(1, 3)]).when(give_back(1)).then([released.clone()]);
    given::<Stock>([received(10), reserved(1, 3), released.clone()]).when(reserve(1, 3)).then([]);
    given::<Stock>([received(10), reserved(1, 3), released]).when(commit(1)).then([]);
    given::<Stock>([received(10)]).when(give_back(1)).then([]);
    given::<Stock>([received(10)]).when(commit(1)).then_refused("there is no reservation");
}

#[test]
fn a_reservation_expires_in_its_time_and_not_before() {
    let expire = |day| Command::Expire { sku: sku("tea"), reservation_id: reservation(1), at: at(day) };
    given::<Stock>([received(10), reserved(1, 3)]).when(expire(20)).then([]);
    given::<Stock>([received(10), reserved(1, 3)]).when(expire(21)).then([expired(1, 3)]);
    given::<Stock>([received(10), reserved(1, 3), committed(1, 3)]).when(expire(21)).then([]);
}

#[test]
fn what_has_expired_leaves_all_the_same_while_there_are_units() {
    given::<Stock>([received(3), reserved(1, 2), expired(1, 2)]).when(commit(1)).then([committed(1, 2)]);
    let declined = Event::StockReservationDeclined {
        sku: sku("tea"),
        reservation_id: reservation(1),
        kit_id: kit(1),
        units: 2,
        available: 1,
        at: at(2),
    };
    given::<Stock>([received(3), reserved(1, 2), expired(1, 2), reserved(2, 2)]).when(commit(1)).then([declined]);
}

#[test]
fn a_count_that_finds_too_few_releases_the_latest_reservations() {
    let count = Command::Count { sku: sku("tea"), count_id: Uuid::from_u128(7), found: 4, at: at(3) };
    let later = Event::StockReserved {
        sku: sku("tea"),
        reservation_id: reservation(2),
        kit_id: kit(2),
        units: 3,
        expires_at: at(21),
        at: at(2),
    };
    let counted =
        Event::StockCounted { sku: sku("tea"), count_id: Uuid::from_u128(7), expected: 10, found: 4, at: at(3) };
    let released = Event::StockReleased {
        sku: sku("tea"),
        reservation_id: reservation(2),
        kit_id: kit(2),
        units: 3,
        cause: Cause::Shortfall,
        at: at(3),
    };
    given::<Stock>([received(10), reserved(1, 4), later]).when(count).then([released, counted, ran_out()]);
}

#[test]
fn low_and_out_are_told_once_a_crossing() {
    let threshold = Command::SetThreshold { sku: sku("tea"), units: 2 };
    let set = Event::StockThresholdSet { sku: sku("tea"), units: 2 };
    given::<Stock>([received(4)]).when(threshold).then([set.clone()]);
    let low = |available| Event::StockRanLow { sku: sku("tea"), available, threshold: 2 };
    let history = vec![received(4), set, reserved(1, 2), low(2)];
    given::<Stock>(history[..2].to_vec()).when(reserve(1, 2)).then([reserved(1, 2), low(2)]);
    given::<Stock>(history.clone()).when(reserve(2, 1)).then([reserved(2, 1)]);
    given::<Stock>(history.clone()).when(reserve(2, 2)).then([reserved(2, 2), ran_out()]);
    // Back above the line and down again is another crossing.
    let released = Event::StockReleased {
        sku: sku("tea"),
        reservation_id: reservation(1),
        kit_id: kit(1),
        units: 2,
        cause: Cause::GivenUp,
        at: at(3),
    };
    given::<Stock>([history, vec![released]].concat()).when(reserve(3, 2)).then([reserved(3, 2), low(2)]);
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let one = (0..8_u8, 1..12_u128, 0..6_u32, 0..40_i64).prop_map(|(what, n, units, day)| {
        let (sku, reservation_id, kit_id, at) = (sku("tea"), reservation(n), kit(n), at(day));
        match what {
            0 => Command::Receive { sku, delivery_id: Uuid::from_u128(n), units, at },
            1 => Command::Count { sku, count_id: Uuid::from_u128(n + 50), found: units, at },
            2 => Command::SetThreshold { sku, units },
            3 | 4 => Command::Reserve { sku, reservation_id, kit_id, units, expires_at: at + TimeDelta::days(5), at },
            5 => Command::Commit { sku, reservation_id, kit_id, at },
            6 => Command::GiveBack { sku, reservation_id, kit_id, at },
            _ => Command::Expire { sku, reservation_id, at },
        }
    });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn whatever_is_asked_nothing_is_promised_twice_and_nothing_is_lost(commands in commands()) {
        let mut stock = Stock::default();
        // What came in and was found, less what left and was missing.
        let mut on_hand = 0_i64;
        let mut told_out = false;
        for command in commands {
            let Ok(events) = stock.decide(command.clone()) else { continue };
            for event in &events {
                match event {
                    Event::StockReceived { units, .. } | Event::StockReturned { units, .. } => on_hand += i64::from(*units),
                    Event::StockCommitted { units, .. } => on_hand -= i64::from(*units),
                    Event::StockCounted { expected, found, .. } => {
                        prop_assert_eq!(i64::from(*expected), on_hand);
                        on_hand = i64::from(*found);
                    }
                    Event::StockRanOut { .. } => {
                        prop_assert!(!told_out, "told twice that nothing is left");
                        told_out = true;
                    }
                    _ => {}
                }
                stock.evolve(event);
                prop_assert!(stock.reserved() <= stock.on_hand, "after {event:?}");
            }
            prop_assert!(on_hand >= 0);
            prop_assert_eq!(i64::from(stock.on_hand), on_hand);
            prop_assert!(stock.reserved() <= stock.on_hand, "{} of {} are set aside", stock.reserved(), stock.on_hand);
            prop_assert!(stock.held.keys().all(|id| !stock.settled.contains_key(id)), "a reservation has two ends");
            told_out &= stock.available() == 0;
            // Asked again, nothing more happens.
            prop_assert_eq!(stock.decide(command).unwrap_or_default(), vec![]);
        }
        // Whatever was set aside comes back when it is given up.
        let (on_hand, held) = (stock.on_hand, stock.held.clone());
        for (reservation_id, held) in held {
            let give_back = Command::GiveBack { sku: sku("tea"), reservation_id, kit_id: held.kit_id, at: at(50) };
            for event in stock.decide(give_back).expect("never refused") {
                stock.evolve(&event);
            }
        }
        prop_assert_eq!((stock.on_hand, stock.available()), (on_hand, on_hand));
    }
}
