//! Keys: a repeat does nothing new.

use std::sync::atomic::Ordering;

use baeum_local_gateway::Fault;
use baeum_stripe::{CreatePaymentIntent, Doubt, Error, Outcome, PaymentIntentStatus};
use serde_json::json;

use crate::world::{World, key, pay, renewal, usd};

#[tokio::test]
async fn a_repeat_with_the_same_key_is_told_the_same_and_charges_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let first = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    for _ in 0..3 {
        assert_eq!(pay(&world.client, &customer, &method, "invoice-1").await.expect("paid"), first);
    }
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn many_at_once_with_the_same_key_charge_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (client, customer, method) = (world.client.clone(), customer.clone(), method.clone());
        tasks.spawn(async move {
            loop {
                match pay(&client, &customer, &method, "invoice-1").await {
                    Ok(paid) => return paid.id,
                    Err(error) => assert!(error.may_pass(), "{error}"),
                }
            }
        });
    }
    let mut ids = tasks.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn the_same_key_for_something_else_is_refused() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    let other = CreatePaymentIntent { money: usd(9900), ..renewal(&customer, &method, "invoice-1") };
    let error = world.client.create_payment_intent(&other, &key("invoice-1")).await.expect_err("refused");
    let Error::KeyReused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.status, refusal.kind.as_str()), (400, "idempotency_error"));
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn while_the_first_request_is_worked_on_a_repeat_is_told_so_and_afterwards_what_was_done() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    world.next([Fault::Held]).await;
    let first = tokio::spawn({
        let (client, customer, method) = (world.once.clone(), customer.clone(), method.clone());
        async move { pay(&client, &customer, &method, "invoice-1").await }
    });
    world.control("held?at_least=1").await;
    let error = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("in use");
    assert!(matches!(error, Error::Unknown { doubt: Doubt::InProgress, .. }), "{error}");
    assert_eq!((error.outcome(), error.may_pass()), (Outcome::Unknown, true));
    assert_eq!(world.paid(&customer).await, []);
    world.command("release", json!({})).await;
    let first = first.await.expect("it ran").expect("paid");
    assert_eq!(pay(&world.once, &customer, &method, "invoice-1").await.expect("paid"), first);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn a_decline_is_told_to_every_repeat_and_another_try_needs_another_key() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa_chargeDeclined").await;
    let first = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("declined");
    world.command(&format!("payment_methods/{method}"), json!({"card": "pm_card_visa"})).await;
    let again = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("declined still");
    let charge = |error: &Error| error.refusal().expect("a decline").charge.clone();
    assert_eq!(charge(&first), charge(&again));
    let new = renewal(&customer, &method, "invoice-1");
    let paid = world.client.create_payment_intent(&new, &key("invoice-1-again")).await.expect("paid");
    assert_eq!(paid.status, PaymentIntentStatus::Succeeded);
}

#[tokio::test]
async fn what_was_refused_before_it_was_begun_may_be_sent_right_with_the_same_key() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let wrong = pay(&world.client, "cus_nobody", &method, "invoice-1").await.expect_err("nobody");
    assert_eq!(wrong.refusal().and_then(|it| it.code.as_deref()), Some("resource_missing"));
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let first = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    world.clock.fetch_add(24 * 3_600 - 1, Ordering::SeqCst);
    assert_eq!(pay(&world.client, &customer, &method, "invoice-1").await.expect("paid"), first);
    world.clock.fetch_add(1, Ordering::SeqCst);
    let second = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid again");
    assert_ne!(second.id, first.id, "so who repeats after a day looks first");
    assert_eq!(world.paid(&customer).await.len(), 2);
}
