use baeum_domain::kit::{carrier::Whereabouts, kit::Command};

use super::*;
use crate::testing::{KIT, LEARNER, in_a_world};

fn kit_id() -> KitId {
    baeum_domain::kit::kit::id_of(KIT)
}

#[tokio::test]
async fn a_kit_shows_what_it_is_made_of_and_where_it_is() {
    in_a_world(async |world| {
        world.open_kit().await;
        world.project().await;
        let opened = find(&world.pool, kit_id()).await.expect("a database").expect("a kit");
        assert_eq!((opened.learner_id, opened.period, opened.stage), (LEARNER, 1, Stage::Curated));
        assert_eq!((opened.items.len(), opened.items[0].sku.as_str()), (2, "market-book"));
        assert!(!opened.reserved && opened.paid_at.is_none() && opened.units.is_empty());
        world.send_kit().await;
        let at = baeum_domain::Clock::now(world.clock.as_ref());
        world.kit(Command::Track { whereabouts: Whereabouts::Delivered, at }).await;
        let last = world.scan_unit().await;
        world.project().await;
        let kit = find(&world.pool, kit_id()).await.expect("a database").expect("a kit");
        assert_eq!((kit.stage, kit.reserved, kit.grams), (Stage::Delivered, true, Some(500)));
        assert_eq!((kit.paid_at, kit.delivered_at, kit.in_transit_at), (Some(at), Some(at), None));
        let scanned: Vec<_> = kit.units.iter().map(|unit| (unit.slot, unit.scanned_at.is_some())).collect();
        assert_eq!(scanned, [(1, true), (2, false)]);
        assert_eq!((kit.version, kit.position), (9, last));
        let listed = list(&world.pool, LEARNER, 5).await.expect("a database");
        assert_eq!(listed, [kit]);
    })
    .await;
}

#[tokio::test]
async fn an_item_that_was_replaced_is_shown_in_its_place_and_a_kit_that_came_back_opens_nothing() {
    in_a_world(async |world| {
        world.open_kit().await;
        world.replace_item().await;
        world.project().await;
        let kit = find(&world.pool, kit_id()).await.expect("a database").expect("a kit");
        let skus: Vec<_> = kit.items.iter().map(|item| (item.slot, item.sku.as_str())).collect();
        assert_eq!(skus, [(1, "market-book"), (2, "tea")]);
        world.send_kit().await;
        let at = baeum_domain::Clock::now(world.clock.as_ref());
        world.kit(Command::Track { whereabouts: Whereabouts::Returned, at }).await;
        world.kit(Command::Compensate { refund: None, at }).await;
        world.project().await;
        let kit = find(&world.pool, kit_id()).await.expect("a database").expect("a kit");
        assert_eq!((kit.stage, kit.ended_at), (Stage::Returned, Some(at)));
        assert!(kit.units.iter().all(|unit| unit.revoked_at.is_some()));
        assert_eq!(kit.refunded.map(Money::minor), Some(0));
    })
    .await;
}
