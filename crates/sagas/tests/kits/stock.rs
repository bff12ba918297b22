//! Stock under many at once.

use baeum_domain::{
    AnyEvent, Clock as _,
    ids::{KitId, ReservationId},
    kit::{
        sku::{Kind, samples::sku},
        stock::{Command, Event, Stock},
    },
};
use baeum_testing::new_id;
use chrono::TimeDelta;
use futures::future::join_all;

use crate::world::{World, stock_id};

#[tokio::test(flavor = "multi_thread")]
async fn of_64_who_reserve_the_last_10_units_at_the_same_moment_exactly_10_get_one() {
    let world = World::create().await;
    world.stock_up("book", Kind::Book, 9_000, 10).await;
    let at = world.clock.now();
    let reserve = || async {
        let (reservation_id, kit_id) = (ReservationId(new_id()), KitId(new_id()));
        let expires_at = at + TimeDelta::days(1);
        let reserve = Command::Reserve { sku: sku("book"), reservation_id, kit_id, units: 1, expires_at, at };
        // Where others keep changing the stock it is tried again, as a process does.
        while let Err(error) = world.try_execute::<Stock>(stock_id("book"), reserve.clone()).await {
            assert!(error.contains("times"), "{error}");
        }
    };
    join_all((0..64).map(|_| reserve())).await;
    let (mut reserved, mut declined, mut out) = (0, 0, 0);
    for event in world.events().await {
        match event.payload {
            AnyEvent::Stock(Event::StockReserved { .. }) => reserved += 1,
            AnyEvent::Stock(Event::StockReservationDeclined { .. }) => declined += 1,
            AnyEvent::Stock(Event::StockRanOut { .. }) => out += 1,
            _ => {}
        }
    }
    assert_eq!((reserved, declined, out), (10, 54, 1));
    let stock = world.stock("book").await;
    assert_eq!((stock.on_hand, stock.reserved(), stock.available()), (10, 10, 0));
}
