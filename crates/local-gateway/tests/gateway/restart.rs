//! A restart with a journal forgets nothing.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Arc, atomic::AtomicI64},
};

use baeum_local_gateway::{JournalError, LocalGateway, Plan, Settings, StartError};
use baeum_stripe::{CreateRefund, Error, Metadata};
use serde_json::json;

use crate::{
    receiver::Receiver,
    world::{START, World, key, pay, settings},
};

async fn on(journal: &Path) -> World {
    let clock = Arc::new(AtomicI64::new(START));
    let settings = Settings { journal: Some(journal.to_owned()), ..settings(&clock) };
    World::with(settings, clock).await
}

async fn refused(journal: &Path) -> StartError {
    let clock = Arc::new(AtomicI64::new(START));
    let settings = Settings { journal: Some(journal.to_owned()), ..settings(&clock) };
    LocalGateway::start(settings).await.expect_err("refused")
}

#[tokio::test]
async fn payments_keys_refunds_and_the_plan_are_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let world = on(&journal).await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    let refund = CreateRefund {
        payment_intent: paid.id.clone(),
        money: Some(crate::world::usd(500)),
        reason: None,
        metadata: Metadata::new(),
    };
    let given = world.client.create_refund(&refund, &key("refund-1")).await.expect("given back");
    let bad = world.saved("pm_card_visa_chargeDeclined", &customer).await;
    pay(&world.client, &customer, &bad, "invoice-2").await.expect_err("declined");
    world.plan(&Plan { seed: 11, ..Plan::default() }).await;
    world.gateway.stop().await;

    let world = on(&journal).await;
    assert_eq!(pay(&world.client, &customer, &method, "invoice-1").await.expect("paid before"), paid);
    assert_eq!(world.client.create_refund(&refund, &key("refund-1")).await.expect("given before"), given);
    let error = pay(&world.client, &customer, &bad, "invoice-2").await.expect_err("declined before");
    assert!(matches!(error, Error::Declined(_)), "{error}");
    assert_eq!(world.control("plan").await["seed"], json!(11));
    assert_eq!(world.paid(&customer).await, [(1250, 500)]);
    // New ids are not those of before.
    let second = pay(&world.client, &customer, &method, "invoice-3").await.expect("paid");
    assert_ne!(second.id, paid.id);
    assert_eq!(world.client.list_events(&baeum_stripe::Page::default()).await.expect("a page").data.len(), 10);
}

#[tokio::test]
async fn webhooks_that_nobody_took_in_are_sent_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(AtomicI64::new(START));
    let receiver = Receiver::start().await;
    let settings = Settings {
        journal: Some(folder.path().join("journal")),
        webhook: Some(receiver.webhook()),
        ..settings(&clock)
    };
    let world = World::with(settings.clone(), Arc::clone(&clock)).await;
    let (customer, method) = world.customer_with("pm_local_webhookLate").await;
    pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    receiver.came(2).await;
    world.gateway.stop().await;
    assert_eq!(receiver.kinds(), ["customer.created", "payment_method.attached"]);

    let world = World::with(settings, clock).await;
    world.command("webhooks/settle", json!({})).await;
    let paid = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];
    let kinds = receiver.kinds();
    assert_eq!(kinds[kinds.len() - 3..], paid);
}

#[tokio::test]
async fn a_line_that_was_not_written_to_its_end_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let world = on(&journal).await;
    let customer = world.customer().await;
    world.gateway.stop().await;
    let whole = fs::read(&journal).expect("a journal");
    let mut file = OpenOptions::new().append(true).open(&journal).expect("a journal");
    file.write_all(br#"{"serial":99,"changes":[{"cust"#).expect("written");
    drop(file);
    let world = on(&journal).await;
    assert_eq!(world.client.retrieve_customer(&customer).await.expect("there").id, customer);
    world.gateway.stop().await;
    assert_eq!(fs::read(&journal).expect("a journal"), whole);
}

#[tokio::test]
async fn a_journal_that_is_damaged_or_something_else_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let world = on(&journal).await;
    world.customer().await;
    world.gateway.stop().await;
    let mut text = fs::read_to_string(&journal).expect("a journal");
    text.push_str("something else\n");
    fs::write(&journal, &text).expect("written");
    let error = refused(&journal).await;
    assert!(matches!(&error, StartError::Journal(JournalError::Line { line: 3, .. })), "{error}");
    assert!(!error.to_string().contains('\n'));
    fs::write(&journal, "{\"local_gateway\":99,\"instance\":\"x\"}\n").expect("written");
    let error = refused(&journal).await;
    assert!(matches!(&error, StartError::Journal(JournalError::Line { line: 1, .. })), "{error}");
    assert!(matches!(refused(folder.path()).await, StartError::Journal(JournalError::Io(..))));
}

#[tokio::test]
async fn two_gateways_do_not_share_a_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let world = on(&journal).await;
    assert!(matches!(refused(&journal).await, StartError::Journal(JournalError::Locked(_))));
    world.gateway.stop().await;
    on(&journal).await;
}
