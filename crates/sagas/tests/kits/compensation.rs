//! Each step of a kit, and each way back from it.

use baeum_domain::{
    AnyEvent,
    ids::{KitId, UserId},
    kit::{
        kit::{self, CancelReason, Event, Stage, id_of},
        sku::{Kind, samples::sku},
    },
    money::Money,
    subscription::{refund, subscription},
};
use baeum_local_carrier::Fault;

use crate::world::World;

/// What was refunded, as billing is asked for it.
async fn refunds(world: &World) -> Vec<i64> {
    let refund = |event: baeum_domain::Recorded<AnyEvent>| match event.payload {
        AnyEvent::Refund(refund::Event::RefundRequested { amount, .. }) => Some(amount.minor()),
        _ => None,
    };
    world.events().await.into_iter().filter_map(refund).collect()
}

/// Why a kit was cancelled, and how much of it was made good.
async fn end(world: &World, kit_id: KitId) -> (Option<CancelReason>, Option<i64>) {
    let (mut why, mut refunded) = (None, None);
    for event in world.events().await {
        match event.payload {
            AnyEvent::Kit(Event::KitCancelled { kit_id: of, reason, .. }) if of == kit_id => why = Some(reason),
            AnyEvent::Kit(Event::KitCompensated { kit_id: of, refunded: amount, .. }) if of == kit_id => {
                refunded = Some(Money::minor(amount));
            }
            _ => {}
        }
    }
    (why, refunded)
}

/// Somebody who has subscribed and not paid.
async fn unpaid(world: &World) -> (UserId, baeum_domain::ids::SubscriptionId, baeum_domain::subscription::bill::Bill) {
    let mina = world.learner(Some("KR")).await;
    let (subscription_id, bill) = world.subscribe(mina).await;
    world.settle().await;
    world.invoice(mina, &bill).await;
    (mina, subscription_id, bill)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_that_is_paid_comes_with_a_kit_that_is_delivered() {
    let world = World::with_kits(3, 10).await;
    let running = world.start();
    let mina = world.learner(Some("KR")).await;
    let kit_id = world.subscribe_and_pay(mina).await;
    let order = world.order(kit_id).await;
    assert_eq!((order.stage, order.items.len(), order.units.len()), (Stage::Shipped, 3, 3));
    assert_eq!(world.shelf().await, (37, 0));
    let parcel = world.carrier.shipments().pop().expect("a parcel");
    assert_eq!((parcel.address["recipient"].as_str(), parcel.grams), (Some("Mina"), 750));
    world.moved(kit_id, "in_transit").await;
    world.pass(1).await;
    assert_eq!(world.order(kit_id).await.stage, Stage::InTransit);
    world.moved(kit_id, "delivered").await;
    world.pass(1).await;
    assert_eq!(world.order(kit_id).await.stage, Stage::Delivered);
    // Nothing of it waits any more.
    world.pass(60).await;
    assert_eq!((world.order(kit_id).await.stage, end(&world, kit_id).await), (Stage::Delivered, (None, None)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_it_is_paid_and_a_plan_without_kits_gets_none() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let (_, _, bill) = unpaid(&world).await;
    world.pass(5).await;
    let order = world.order(id_of(bill.invoice_id)).await;
    assert_eq!((order.stage, order.reserved, order.paid_at), (Stage::Curated, true, None));
    assert_eq!((world.shelf().await, world.carrier.shipments().len()), ((40, 2), 0));
    world.commands.end_kit_plan(&world.admin(), "plus".parse().expect("a plan")).await.expect("ended");
    let jun = world.learner(Some("KR")).await;
    let (subscription_id, bill) = world.subscribe(jun).await;
    world.invoice(jun, &bill).await;
    world.charge(subscription_id, &bill).await;
    world.settle().await;
    assert_eq!(world.count("KitOpened").await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_had_gives_way_to_another() {
    let world = World::with_kits(2, 40).await;
    // The best of all is listed, and there is none.
    world.stock_up("atlas", Kind::Book, 9_500, 0).await;
    let running = world.start();
    let mut replaced = 0;
    // What is chosen varies by kit: it is chosen for one of the first few, and there is something else for all forty.
    for _ in 0..40 {
        let learner = world.learner(Some("KR")).await;
        let kit_id = world.subscribe_and_pay(learner).await;
        let order = world.order(kit_id).await;
        assert_eq!(order.stage, Stage::Shipped);
        assert!(order.items.values().all(|item| item.sku != sku("atlas")));
        replaced += usize::from(order.unavailable.contains(&sku("atlas")));
        if replaced > 0 {
            break;
        }
    }
    assert_eq!(replaced, 1, "nobody was to have it");
    assert_eq!(world.count("KitItemReplaced").await, replaced);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_take_its_place_all_goes_back_and_what_is_paid_is_refunded() {
    let world = World::with_kits(4, 1).await;
    let running = world.start();
    let (mina, jun) = (world.learner(Some("KR")).await, world.learner(Some("KR")).await);
    let first = world.subscribe_and_pay(mina).await;
    assert_eq!(world.order(first).await.stage, Stage::Shipped);
    let second = world.subscribe_and_pay(jun).await;
    // What it would have been worth: more than was paid is not given back.
    assert_eq!(end(&world, second).await, (Some(CancelReason::OutOfStock), Some(12_900)));
    assert_eq!((world.shelf().await, refunds(&world).await), ((0, 0), vec![12_900]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_suits_the_kit_is_cancelled_and_the_least_that_was_promised_is_refunded() {
    let world = World::with_kits(5, 10).await;
    let running = world.start();
    let mina = world.learner(Some("KR")).await;
    let kit_id = world.subscribe_and_pay(mina).await;
    assert_eq!(end(&world, kit_id).await, (Some(CancelReason::NothingSuitable), Some(5_000)));
    assert_eq!(world.shelf().await, (40, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_is_voided_and_a_subscription_that_is_cancelled_give_the_stock_back() {
    let world = World::with_kits(3, 10).await;
    let running = world.start();
    let (_, _, bill) = unpaid(&world).await;
    world.settle().await;
    assert_eq!(world.shelf().await, (40, 3));
    world.void(bill.invoice_id).await;
    world.settle().await;
    assert_eq!(end(&world, id_of(bill.invoice_id)).await, (Some(CancelReason::NotPaid), None));
    assert_eq!(world.shelf().await, (40, 0));
    let (_, subscription_id, bill) = unpaid(&world).await;
    world.settle().await;
    let cancel = subscription::Command::CancelNow { at: baeum_domain::Clock::now(world.clock.as_ref()) };
    world.execute::<subscription::Subscription>(subscription_id.0, cancel).await;
    world.settle().await;
    assert_eq!(end(&world, id_of(bill.invoice_id)).await, (Some(CancelReason::SubscriptionEnded), None));
    assert_eq!((world.shelf().await, refunds(&world).await), ((40, 0), vec![]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_count_finds_missing_is_replaced() {
    let world = World::with_kits(3, 10).await;
    let running = world.start();
    let (_, subscription_id, bill) = unpaid(&world).await;
    world.settle().await;
    let order = world.order(id_of(bill.invoice_id)).await;
    let missing = order.items.values().next().expect("an item").sku.clone();
    world.commands.count_stock(&world.admin(), missing.clone(), 0).await.expect("counted");
    world.settle().await;
    let order = world.order(id_of(bill.invoice_id)).await;
    assert!(order.reserved && order.items.values().all(|item| item.sku != missing));
    world.charge(subscription_id, &bill).await;
    world.settle().await;
    assert_eq!(world.order(id_of(bill.invoice_id)).await.stage, Stage::Shipped);
    assert_eq!(world.shelf().await, (27, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_that_nobody_pays_for_in_time_is_free_again_and_whoever_pays_late_gets_what_is_left() {
    let world = World::with_kits(3, 1).await;
    let running = world.start();
    let (_, late, bill) = unpaid(&world).await;
    world.settle().await;
    assert_eq!(world.shelf().await, (4, 3));
    world.pass(20).await;
    assert_eq!(world.shelf().await, (4, 3));
    world.pass(1).await;
    assert_eq!((world.shelf().await, world.count("StockReservationExpired").await), ((4, 0), 3));
    // Somebody else takes three of the four.
    let jun = world.learner(Some("KR")).await;
    let first = world.subscribe_and_pay(jun).await;
    assert_eq!(world.order(first).await.stage, Stage::Shipped);
    world.charge(late, &bill).await;
    world.settle().await;
    assert_eq!(end(&world, id_of(bill.invoice_id)).await, (Some(CancelReason::OutOfStock), Some(12_900)));
    assert_eq!(world.shelf().await, (1, 0));
    // With new stock it is no matter.
    for name in ["book", "workbook", "cards", "tea"] {
        world.deliver(name, 1).await;
    }
    let (_, late, bill) = unpaid(&world).await;
    world.settle().await;
    world.pass(30).await;
    world.charge(late, &bill).await;
    world.settle().await;
    assert_eq!(world.order(id_of(bill.invoice_id)).await.stage, Stage::Shipped);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_whose_answer_is_lost_is_sent_once() {
    let world = World::with_kits(2, 10).await;
    world.carrier.next([Fault::LostAnswer, Fault::Error, Fault::LostAnswer]);
    let running = world.start();
    let mina = world.learner(Some("KR")).await;
    let kit_id = world.subscribe_and_pay(mina).await;
    assert_eq!((world.order(kit_id).await.stage, world.carrier.shipments().len()), (Stage::Shipped, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_carrier_does_not_take_goes_back_and_is_refunded() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let nobody = world.learner(Some("AQ")).await;
    let kit_id = world.subscribe_and_pay(nobody).await;
    let (why, refunded) = end(&world, kit_id).await;
    let value = world.order(kit_id).await.value().minor();
    assert_eq!((why, refunded), (Some(CancelReason::CarrierRefused), Some(value.min(12_900))));
    assert_eq!((world.shelf().await, world.carrier.shipments().len()), ((40, 0), 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_waits_two_weeks_for_an_address() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let (mina, jun) = (world.learner(None).await, world.learner(None).await);
    let waits = world.subscribe_and_pay(mina).await;
    let given_up = world.subscribe_and_pay(jun).await;
    assert!(world.order(waits).await.address_missing && world.carrier.shipments().is_empty());
    world.pass(3).await;
    world.live_in(mina, "KR").await;
    world.pass(1).await;
    assert_eq!(world.order(waits).await.stage, Stage::Shipped);
    assert_eq!(world.order(given_up).await.stage, Stage::Packed);
    world.pass(10).await;
    let value = world.order(given_up).await.value().minor();
    assert_eq!(end(&world, given_up).await, (Some(CancelReason::NoAddress), Some(value.min(12_900))));
    assert_eq!(world.shelf().await, (38, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_that_is_lost_is_refunded_and_not_on_the_shelf_again() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let (mina, jun) = (world.learner(Some("KR")).await, world.learner(Some("KR")).await);
    let (told, silent) = (world.subscribe_and_pay(mina).await, world.subscribe_and_pay(jun).await);
    world.moved(told, "lost").await;
    world.pass(1).await;
    assert_eq!(end(&world, told).await.0, Some(CancelReason::Lost));
    assert_eq!(world.order(silent).await.stage, Stage::Shipped);
    world.pass(30).await;
    assert_eq!(end(&world, silent).await.0, Some(CancelReason::Lost));
    assert_eq!((world.shelf().await, refunds(&world).await.len()), ((36, 0), 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_on_the_shelf_again_refunded_and_opens_nothing_any_more() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let mina = world.learner(Some("KR")).await;
    let kit_id = world.subscribe_and_pay(mina).await;
    let code = world.commands.unit_token("main", kit_id, 1).await.expect("a code");
    let scanned = world.commands.scan_unit(&world.request(mina, &[]), &code).await.expect("scanned");
    assert_eq!(scanned.answer.clip_id, world.clip());
    world.moved(kit_id, "returned").await;
    world.pass(1).await;
    let order = world.order(kit_id).await;
    assert_eq!((order.stage, order.compensated, world.shelf().await), (Stage::Returned, true, (40, 0)));
    let refused = world.commands.scan_unit(&world.request(mina, &[]), &code).await.expect_err("revoked");
    assert!(refused.to_string().contains("was revoked"), "{refused}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_after_it_was_cancelled_is_refunded() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let (_, subscription_id, bill) = unpaid(&world).await;
    world.settle().await;
    let kit_id = id_of(bill.invoice_id);
    world.commands.cancel_kit(&world.admin(), kit_id).await.expect("cancelled");
    world.settle().await;
    assert_eq!((end(&world, kit_id).await, world.shelf().await), ((Some(CancelReason::Requested), None), (40, 0)));
    world.charge(subscription_id, &bill).await;
    world.settle().await;
    let value = world.order(kit_id).await.value().minor();
    assert_eq!(end(&world, kit_id).await, (Some(CancelReason::Requested), Some(value.min(12_900))));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_box_is_revealed_in_its_time_though_nobody_asks() {
    let world = World::with_kits(2, 10).await;
    let blind = kit_terms_blind();
    world.commands.set_kit_plan(&world.admin(), "plus".parse().expect("a plan"), blind).await.expect("set");
    let running = world.start();
    let mina = world.learner(Some("KR")).await;
    let kit_id = world.subscribe_and_pay(mina).await;
    let too_early = world.commands.reveal_kit(&world.request(mina, &[]), kit_id).await.expect_err("too early");
    assert!(too_early.to_string().contains("shown on delivery"), "{too_early}");
    world.pass(9).await;
    assert!(!world.order(kit_id).await.revealed);
    world.pass(1).await;
    assert!(world.order(kit_id).await.revealed);
    running.stop().await;
}

fn kit_terms_blind() -> baeum_domain::kit::plan::KitTerms {
    let presentation = baeum_domain::kit::plan::Presentation::Blind { reveal_after_days: 10 };
    baeum_domain::kit::plan::KitTerms { presentation, ..baeum_domain::kit::plan::samples::terms(2) }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_whole_log_again_repeats_no_step() {
    let world = World::with_kits(2, 10).await;
    let (mina, nobody) = (world.learner(Some("KR")).await, world.learner(Some("AQ")).await);
    let running = world.start();
    world.subscribe_and_pay(mina).await;
    world.subscribe_and_pay(nobody).await;
    running.stop().await;
    let before = world.log().head().await.expect("a head");
    for table in ["process_instances", "process_commands", "process_timers"] {
        sqlx::query(&format!("DELETE FROM {table}")).execute(&world.database.pool).await.expect("deleted");
    }
    sqlx::query("UPDATE process_cursors SET position = 0").execute(&world.database.pool).await.expect("set back");
    let running = world.start();
    world.settle().await;
    assert_eq!(world.log().head().await.expect("a head"), before);
    assert_eq!((world.carrier.shipments().len(), refunds(&world).await.len()), (1, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_gets_no_kit_and_what_was_set_aside_for_them_is_free_again() {
    let world = World::with_kits(2, 10).await;
    let running = world.start();
    let (mina, _, bill) = unpaid(&world).await;
    world.settle().await;
    let kit_id = id_of(bill.invoice_id);
    assert_eq!(world.order(kit_id).await.stage, kit::Stage::Curated);
    world.log().erased().note(mina);
    world.pass(21).await;
    assert_eq!(world.shelf().await, (40, 0));
    world.subscribe(mina).await;
    world.settle().await;
    assert_eq!(world.count("KitOpened").await, 1);
    running.stop().await;
}
