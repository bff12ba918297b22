//! Webhooks, and what goes wrong with them.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicI64, atomic::Ordering},
};

use baeum_local_gateway::{Plan, Settings, Trouble};
use baeum_stripe::{Event, EventObject, Page, PaymentIntentStatus, WebhookError};
use serde_json::json;

use crate::{
    receiver::{Receiver, SECRET},
    world::{START, World, pay, settings},
};

const PAID: [&str; 3] = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];

/// A gateway that tells the receiver, with a customer of it.
async fn told() -> (World, Receiver, String) {
    let receiver = Receiver::start().await;
    let clock = Arc::new(AtomicI64::new(START));
    let settings = Settings { webhook: Some(receiver.webhook()), ..settings(&clock) };
    let world = World::with(settings, clock).await;
    let customer = world.customer().await;
    receiver.came(1).await;
    (world, receiver, customer)
}

async fn settle(world: &World) {
    world.command("webhooks/settle", json!({})).await;
}

/// The kinds of those that are believed, without the customer's and the card's.
fn payment_kinds(receiver: &Receiver) -> Vec<String> {
    let kinds = receiver.kinds().into_iter();
    kinds.filter(|kind| kind.starts_with("payment_intent.") || kind.starts_with("charge.")).collect()
}

#[tokio::test]
async fn what_happens_is_told_in_its_order_and_signed() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_card_visa", &customer).await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    let attached = ["customer.created", "payment_method.attached"];
    assert_eq!(receiver.kinds(), [&attached[..], &PAID[..]].concat());
    let last = receiver.events().pop().expect("an event");
    assert_eq!(last.request.clone().expect("told").idempotency_key.as_deref(), Some("invoice-1"));
    assert_eq!(last.object().expect("an object"), EventObject::PaymentIntent(Box::new(paid)));
    assert!(!format!("{last:?}").contains("invoice-1\","), "objects are not shown");
}

#[tokio::test]
async fn a_decline_and_a_refund_are_told() {
    let (world, receiver, customer) = told().await;
    let bad = world.saved("pm_card_visa_chargeDeclined", &customer).await;
    pay(&world.client, &customer, &bad, "invoice-1").await.expect_err("declined");
    settle(&world).await;
    assert_eq!(payment_kinds(&receiver), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
    let EventObject::PaymentIntent(intent) = receiver.events().pop().expect("told").object().expect("an object") else {
        panic!("a payment")
    };
    assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod);

    let good = world.saved("pm_card_visa", &customer).await;
    let paid = pay(&world.client, &customer, &good, "invoice-2").await.expect("paid");
    let new = baeum_stripe::CreateRefund {
        payment_intent: paid.id,
        money: None,
        reason: None,
        metadata: baeum_stripe::Metadata::new(),
    };
    let refund = world.client.create_refund(&new, &crate::world::key("refund")).await.expect("given back");
    settle(&world).await;
    let objects: Vec<_> = receiver.events().iter().map(|it| it.object().expect("an object")).collect();
    assert!(objects.contains(&EventObject::Refund(Box::new(refund))));
    let EventObject::Charge(charge) = objects.last().expect("told") else { panic!("a charge") };
    assert_eq!(charge.amount_refunded, 1250);
}

#[tokio::test]
async fn a_late_webhook_comes_after_those_of_later_payments() {
    let (world, receiver, customer) = told().await;
    let late = world.saved("pm_local_webhookLate", &customer).await;
    let soon = world.saved("pm_card_visa", &customer).await;
    let first = pay(&world.client, &customer, &late, "invoice-1").await.expect("paid");
    let second = pay(&world.client, &customer, &soon, "invoice-2").await.expect("paid");
    // Those of the customer, of two cards, and of the second payment.
    receiver.came(6).await;
    let about = || receiver.events().iter().filter_map(payment_of).collect::<Vec<_>>();
    assert_eq!(about(), [&*second.id; 2]);
    settle(&world).await;
    assert_eq!(about(), [&*second.id, &second.id, &first.id, &first.id]);
}

fn payment_of(event: &Event) -> Option<String> {
    match event.object().expect("an object") {
        EventObject::PaymentIntent(intent) => Some(intent.id),
        _ => None,
    }
}

#[tokio::test]
async fn a_doubled_webhook_has_the_same_id_both_times() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_local_webhookDuplicated", &customer).await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    assert_eq!(payment_kinds(&receiver), PAID.iter().flat_map(|kind| [*kind; 2]).collect::<Vec<_>>());
    let ids: BTreeSet<_> = receiver.events().into_iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), 2 + PAID.len());
}

#[tokio::test]
async fn reordered_webhooks_come_in_the_opposite_order() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_local_webhookReordered", &customer).await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    assert_eq!(payment_kinds(&receiver), PAID.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_forged_webhook_is_not_believed_and_the_genuine_one_is() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_local_webhookForged", &customer).await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    let results: Vec<_> = receiver.deliveries().iter().map(|it| it.verify(&[SECRET], START)).collect();
    let refused = results.iter().filter(|it| matches!(it, Err(WebhookError::Signature))).count();
    assert_eq!((refused, payment_kinds(&receiver)), (PAID.len(), PAID.map(ToOwned::to_owned).to_vec()));
    let forged = receiver.deliveries().iter().filter(|it| it.body.windows(6).any(|it| it == b"forged")).count();
    assert_eq!(forged, PAID.len());
}

#[tokio::test]
async fn a_webhook_that_never_comes_is_found_among_the_events() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_local_webhookLost", &customer).await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    assert_eq!(payment_kinds(&receiver), [""; 0]);
    let page = Page { limit: 3, created_since: Some(START), ..Page::default() };
    let events = world.client.list_events(&page).await.expect("a page");
    let kinds: Vec<_> = events.data.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!((kinds, events.has_more), (PAID.into_iter().rev().collect(), true));
    let first = world.client.retrieve_event(&events.data[0].id).await.expect("there");
    assert_eq!(first.object().expect("an object"), events.data[0].object().expect("an object"));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_told_again_until_it_takes_it_in() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_card_visa", &customer).await;
    settle(&world).await;
    receiver.refuses.store(4, Ordering::SeqCst);
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    settle(&world).await;
    let tried = world.control("deliveries").await;
    let tried = tried["data"].as_array().expect("a list");
    let failed = tried.iter().filter(|it| it["status"] == json!(500)).count();
    assert_eq!((failed, tried.len()), (4, 2 + PAID.len() + 4));
    let taken: BTreeSet<_> = payment_kinds(&receiver).into_iter().collect();
    assert_eq!(taken, PAID.map(ToOwned::to_owned).into());
}

#[tokio::test]
async fn a_delivery_that_is_replayed_later_is_stale_and_within_the_tolerance_has_the_id_that_was_seen() {
    let (world, receiver, _) = told().await;
    settle(&world).await;
    let delivery = receiver.deliveries().remove(0);
    let first = delivery.verify(&[SECRET], START).expect("believed");
    assert_eq!(delivery.verify(&[SECRET], START + 299).expect("believed").id, first.id);
    let stale = delivery.verify(&[SECRET], START + 301).expect_err("stale");
    assert_eq!(stale, WebhookError::Stale { age_seconds: 301, tolerance_seconds: 300 });
    // Sent anew by the gateway it is signed anew, and has the same id.
    world.clock.store(START + 3_600, Ordering::SeqCst);
    world.command(&format!("events/{}/send", first.id), json!({})).await;
    receiver.came(2).await;
    let again = receiver.deliveries()[1].verify(&[SECRET], START + 3_600).expect("believed");
    assert_eq!(again.id, first.id);
}

#[tokio::test]
async fn a_secret_is_replaced_while_deliveries_under_both_are_believed() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(AtomicI64::new(START));
    let webhook = receiver.webhook();
    let mut settings =
        Settings { webhook: Some(webhook.clone()), journal: Some(folder.path().join("journal")), ..settings(&clock) };
    for secret in ["whsec_old", "whsec_new"] {
        settings.webhook = Some(baeum_local_gateway::Webhook { secret: secret.to_owned(), ..webhook.clone() });
        let world = World::with(settings.clone(), Arc::clone(&clock)).await;
        let key = crate::world::key(secret);
        world.client.create_customer(&baeum_stripe::CreateCustomer::default(), &key).await.expect("a customer");
        settle(&world).await;
        world.gateway.stop().await;
    }
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 2);
    for delivery in &deliveries {
        delivery.verify(&["whsec_new", "whsec_old"], START).expect("believed while both are known");
    }
    assert_eq!(deliveries[0].verify(&["whsec_new"], START).expect_err("replaced"), WebhookError::Signature);
    deliveries[1].verify(&["whsec_new"], START).expect("believed");
}

#[tokio::test]
async fn webhooks_go_wrong_by_the_plan_too() {
    let (world, receiver, customer) = told().await;
    let method = world.saved("pm_card_visa", &customer).await;
    settle(&world).await;
    let next_webhooks = [Trouble::Reordered, Trouble::Lost].into();
    world.plan(&Plan { next_webhooks, ..Plan::default() }).await;
    for n in 0..3 {
        pay(&world.client, &customer, &method, &format!("invoice-{n}")).await.expect("paid");
    }
    settle(&world).await;
    let reversed: Vec<_> = PAID.into_iter().rev().collect();
    assert_eq!(payment_kinds(&receiver), [&reversed[..], &PAID[..]].concat());
}
