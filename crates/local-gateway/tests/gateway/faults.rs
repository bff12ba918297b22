//! What goes wrong on the way: nobody is charged twice, and nobody is told "failed" when they were charged.

use std::{collections::BTreeMap, time::Duration};

use baeum_local_gateway::{Fault, Plan};
use baeum_stripe::{Client, CreateRefund, Doubt, Error, Metadata, Outcome, Page, PaymentIntent, PaymentIntentStatus};
use serde_json::json;

use crate::world::{World, client, key, pay, usd};

/// What a caller does who wants to be paid once: repeats with the same key, and looks where that cannot tell.
async fn pay_once(client: &Client, customer: &str, method: &str, invoice: &str) -> PaymentIntent {
    loop {
        let error = match pay(client, customer, method, invoice).await {
            Ok(paid) => return paid,
            Err(error) => error,
        };
        if error.may_pass() {
            continue;
        }
        assert!(matches!(error, Error::Unknown { doubt: Doubt::SavedServerError, .. }), "{error}");
        let mut found = loop {
            match client.find_payment_intents(customer, "invoice", invoice, 0).await {
                Ok(found) => break found,
                Err(error) => assert!(error.may_pass(), "{error}"),
            }
        };
        assert_eq!(found.len(), 1, "the error came after it was done");
        return found.remove(0);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_after_the_charge_is_asked_for_again_and_charges_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_lostAfter").await;
    let error = pay(&world.once, &customer, &method, "invoice-1").await.expect_err("lost");
    assert!(matches!(error, Error::Unknown { doubt: Doubt::NoAnswer, .. }), "{error}");
    assert_eq!((error.outcome(), error.may_pass()), (Outcome::Unknown, true));
    assert_eq!(world.paid(&customer).await, [(1250, 0)], "it was charged all the same");
    let paid = pay(&world.once, &customer, &method, "invoice-1").await.expect("told");
    assert_eq!(paid.status, PaymentIntentStatus::Succeeded);
    // A client that repeats by itself notices nothing.
    pay(&world.client, &customer, &method, "invoice-2").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0), (1250, 0)]);
}

#[tokio::test]
async fn a_connection_that_is_cut_before_the_charge_charges_nothing_until_the_repeat() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_lostBefore").await;
    let error = pay(&world.once, &customer, &method, "invoice-1").await.expect_err("lost");
    assert!(matches!(error, Error::Unknown { doubt: Doubt::NoAnswer, .. }), "{error}");
    assert_eq!(world.paid(&customer).await, []);
    pay(&world.once, &customer, &method, "invoice-1").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn an_error_within_before_the_charge_is_repeated_and_charges_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_errorBefore").await;
    let error = pay(&world.once, &customer, &method, "invoice-1").await.expect_err("an error within");
    assert!(matches!(error, Error::Unknown { doubt: Doubt::ServerError, .. }), "{error}");
    assert_eq!(world.paid(&customer).await, []);
    pay(&world.once, &customer, &method, "invoice-1").await.expect("paid");
    pay(&world.client, &customer, &method, "invoice-2").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0), (1250, 0)]);
}

#[tokio::test]
async fn an_error_within_after_the_charge_is_told_to_every_repeat_and_the_payment_is_found_by_looking() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_errorAfter").await;
    let error = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("an error within");
    assert!(matches!(error, Error::Unknown { doubt: Doubt::SavedServerError, .. }), "{error}");
    assert_eq!((error.outcome(), error.may_pass()), (Outcome::Unknown, false));
    let found = world.client.find_payment_intents(&customer, "invoice", "invoice-1", 0).await.expect("a list");
    assert_eq!(found.iter().map(|it| it.status).collect::<Vec<_>>(), [PaymentIntentStatus::Succeeded]);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn too_many_requests_are_told_with_how_long_to_wait_and_repeated_by_themselves() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_rateLimited").await;
    let error = pay(&world.once, &customer, &method, "invoice-1").await.expect_err("too many");
    assert!(matches!(error, Error::RateLimited { retry_after: Some(Duration::ZERO), .. }), "{error}");
    assert_eq!((error.outcome(), error.may_pass()), (Outcome::NotDone, true));
    pay(&world.client, &customer, &method, "invoice-2").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_it_open_and_a_repeat_charges_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_held").await;
    // However slow this machine is, a request that is held is not answered in this time.
    let impatient = client(world.gateway.url(), 1, Duration::from_millis(300));
    let error = pay(&impatient, &customer, &method, "invoice-1").await.expect_err("too late");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(error.may_pass());
    // The bank goes on with what its client no longer waits for, if it came so far; a repeat is then the same request.
    world.command("release", json!({})).await;
    let repeat = tokio::spawn({
        let (client, customer, method) = (world.client.clone(), customer.clone(), method.clone());
        async move { pay_once(&client, &customer, &method, "invoice-1").await }
    });
    // Only where the first one never came is the repeat held instead.
    while !repeat.is_finished() {
        world.command("release", json!({})).await;
    }
    assert_eq!(repeat.await.expect("it ran").status, PaymentIntentStatus::Succeeded);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_local_slow").await;
    pay(&world.once, &customer, &method, "invoice-1").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn whatever_the_plan_of_failures_every_invoice_is_paid_once_and_given_back_once() {
    let every =
        [Fault::RateLimited, Fault::ErrorBefore, Fault::LostBefore, Fault::Slow, Fault::ErrorAfter, Fault::LostAfter];
    for seed in [7, 8, 9] {
        let world = World::new().await;
        let (customer, method) = world.customer_with("pm_card_visa").await;
        let requests = BTreeMap::from(every.map(|fault| (fault, 0.13)));
        world.plan(&Plan { seed, requests, ..Plan::default() }).await;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..60 {
            let (client, customer, method) = (world.client.clone(), customer.clone(), method.clone());
            tasks.spawn(async move {
                let paid = pay_once(&client, &customer, &method, &format!("invoice-{n}")).await;
                assert_eq!(paid.status, PaymentIntentStatus::Succeeded);
                refund_once(&client, &paid.id).await;
            });
        }
        tasks.join_all().await;
        assert_eq!(world.paid(&customer).await, [(1250, 1000); 60], "seed {seed}");
    }
}

/// Gives 10 of the 12.50 back. Twice would be more than there was, so even a mistake would show; but the list says.
async fn refund_once(client: &Client, payment_intent: &str) {
    let new = CreateRefund {
        payment_intent: payment_intent.to_owned(),
        money: Some(usd(1000)),
        reason: None,
        metadata: Metadata::new(),
    };
    loop {
        match client.create_refund(&new, &key(&format!("refund-{payment_intent}"))).await {
            Ok(_) => return,
            Err(error) if error.may_pass() => {}
            Err(error) => {
                assert!(matches!(error, Error::Unknown { doubt: Doubt::SavedServerError, .. }), "{error}");
                let refunds = client.list_refunds(payment_intent, &Page::default()).await.expect("a list");
                assert_eq!(refunds.data.len(), 1);
                return;
            }
        }
    }
}
