//! Giving money back.

use baeum_local_gateway::Fault;
use baeum_stripe::{Client, CreateRefund, Error, Metadata, Money, Page, Refund, RefundReason, RefundStatus};

use crate::world::{World, key, pay, usd};

async fn refund(client: &Client, payment: &str, money: Option<Money>, name: &str) -> Result<Refund, Error> {
    let new = CreateRefund {
        payment_intent: payment.to_owned(),
        money,
        reason: Some(RefundReason::RequestedByCustomer),
        metadata: Metadata::from([("invoice".to_owned(), name.to_owned())]),
    };
    client.create_refund(&new, &key(name)).await
}

#[tokio::test]
async fn a_payment_is_given_back_whole() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    let refund = refund(&world.client, &paid.id, None, "refund-1").await.expect("given back");
    assert_eq!((refund.amount, refund.status), (1250, Some(RefundStatus::Succeeded)));
    assert_eq!((refund.payment_intent.as_ref(), refund.charge.as_ref()), (Some(&paid.id), paid.latest_charge.as_ref()));
    assert_eq!(world.client.retrieve_refund(&refund.id).await.expect("there"), refund);
    assert_eq!(world.paid(&customer).await, [(1250, 1250)]);
}

#[tokio::test]
async fn a_payment_is_given_back_in_parts_and_never_more_than_was_paid() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    refund(&world.client, &paid.id, Some(usd(1000)), "refund-1").await.expect("given back");
    let error = refund(&world.client, &paid.id, Some(usd(251)), "refund-2").await.expect_err("more than is left");
    let Error::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.status, refusal.param.as_deref()), (400, Some("amount")));
    refund(&world.client, &paid.id, Some(usd(250)), "refund-3").await.expect("given back");
    let error = refund(&world.client, &paid.id, None, "refund-4").await.expect_err("nothing left");
    assert_eq!(error.refusal().and_then(|it| it.code.as_deref()), Some("charge_already_refunded"));
    assert_eq!(world.paid(&customer).await, [(1250, 1250)]);
    let refunds = world.client.list_refunds(&paid.id, &Page::default()).await.expect("a list");
    assert_eq!(refunds.data.iter().map(|it| it.amount).collect::<Vec<_>>(), [250, 1000], "the newest first");
}

#[tokio::test]
async fn many_refunds_at_once_give_back_what_was_paid_and_no_more() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (client, paid) = (world.client.clone(), paid.id.clone());
        tasks.spawn(async move { refund(&client, &paid, Some(usd(100)), &format!("refund-{n}")).await.is_ok() });
    }
    let given = tasks.join_all().await.into_iter().filter(|given| *given).count();
    assert_eq!((given, world.paid(&customer).await), (12, vec![(1250, 1200)]));
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_repeated_and_given_back_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    world.next([Fault::LostAfter, Fault::ErrorBefore, Fault::LostBefore]).await;
    refund(&world.client, &paid.id, Some(usd(500)), "refund-1").await.expect("given back");
    assert_eq!(world.paid(&customer).await, [(1250, 500)]);
}

#[tokio::test]
async fn what_was_not_paid_is_not_given_back() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa_chargeDeclined").await;
    let error = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("declined");
    let intent = error.refusal().and_then(|it| it.payment_intent.clone()).expect("told").id;
    assert!(matches!(refund(&world.client, &intent, None, "refund-1").await, Err(Error::Refused(_))));
    let error = refund(&world.client, "pi_nobodys", None, "refund-2").await.expect_err("unknown");
    assert_eq!(error.refusal().and_then(|it| it.code.as_deref()), Some("resource_missing"));
}
