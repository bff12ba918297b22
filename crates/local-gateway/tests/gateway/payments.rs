//! Payments, their refusals, and whom they belong to.

use baeum_stripe::{
    Confirmation, CreateCustomer, CreatePaymentIntent, Currency, Error, Metadata, Money, Outcome, Page,
    PaymentIntentStatus, Secret,
};
use serde_json::{Value, json};

use crate::world::{LONG, World, client, key, pay, renewal};

#[tokio::test]
async fn a_saved_card_is_charged_without_the_customer() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    let paid = pay(&world.client, &customer, &method, "invoice-1").await.expect("paid");
    assert_eq!((paid.status, paid.amount_received), (PaymentIntentStatus::Succeeded, 1250));
    assert_eq!((paid.customer.as_deref(), paid.payment_method.as_deref()), (Some(&*customer), Some(&*method)));
    assert!(paid.latest_charge.is_some());
    assert_eq!(world.client.retrieve_payment_intent(&paid.id).await.expect("there"), paid);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);

    let saved = world.client.list_payment_methods(&customer, &Page::default()).await.expect("a list");
    let card = saved.data[0].card.clone().expect("a card");
    assert_eq!((card.brand.as_str(), card.last4.as_str()), ("visa", "4242"));
}

#[tokio::test]
async fn a_declined_card_pays_nothing_and_says_why() {
    let world = World::new().await;
    let customer = world.customer().await;
    for (card, code, decline_code) in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ] {
        let method = world.saved(card, &customer).await;
        let error = pay(&world.client, &customer, &method, card).await.expect_err("declined");
        assert_eq!(error.outcome(), Outcome::NotDone);
        assert!(!error.may_pass());
        let Error::Declined(refusal) = error else { panic!("{error}") };
        assert_eq!((refusal.code.as_deref(), refusal.decline_code.as_deref()), (Some(code), Some(decline_code)));
        assert_eq!(refusal.payment_method.expect("told").id, method);
        let intent = refusal.payment_intent.expect("told");
        assert_eq!((intent.status, intent.amount_received), (PaymentIntentStatus::RequiresPaymentMethod, 0));
        assert_eq!(intent.last_payment_error.expect("told").decline_code.as_deref(), Some(decline_code));
        assert_eq!(intent.latest_charge, refusal.charge);
    }
    assert_eq!(world.paid(&customer).await, []);
}

#[tokio::test]
async fn a_payment_that_was_declined_is_paid_when_there_is_money_again() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa_chargeDeclinedInsufficientFunds").await;
    let error = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("declined");
    let intent = error.refusal().and_then(|it| it.payment_intent.clone()).expect("told").id;
    world.command(&format!("payment_methods/{method}"), json!({"card": "pm_card_visa"})).await;
    let confirm = Confirmation::OffSession;
    let again = world.client.confirm_payment_intent(&intent, Some(&method), &confirm, &key("second-try")).await;
    assert_eq!(again.expect("paid").status, PaymentIntentStatus::Succeeded);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
    let error = world.client.confirm_payment_intent(&intent, Some(&method), &confirm, &key("third-try")).await;
    let error = error.expect_err("paid already");
    assert_eq!(error.refusal().and_then(|it| it.code.as_deref()), Some("payment_intent_unexpected_state"));
}

#[tokio::test]
async fn a_payment_can_be_made_first_and_tried_later_or_given_up() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_mastercard").await;
    let later =
        |name: &str| CreatePaymentIntent { confirmation: Confirmation::Later, ..renewal(&customer, &method, name) };
    let first = world.client.create_payment_intent(&later("invoice-1"), &key("invoice-1")).await.expect("made");
    assert_eq!(first.status, PaymentIntentStatus::RequiresConfirmation);
    let paid = world.client.confirm_payment_intent(&first.id, None, &Confirmation::OffSession, &key("confirm")).await;
    assert_eq!(paid.expect("paid").status, PaymentIntentStatus::Succeeded);
    let second = world.client.create_payment_intent(&later("invoice-2"), &key("invoice-2")).await.expect("made");
    let given_up = world.client.cancel_payment_intent(&second.id, &key("cancel")).await.expect("given up");
    assert_eq!(given_up.status, PaymentIntentStatus::Canceled);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn the_card_of_somebody_else_is_not_charged() {
    let world = World::new().await;
    let (_, others) = world.customer_with("pm_card_visa").await;
    let mine = world.client.create_customer(&CreateCustomer::default(), &key("me")).await.expect("a customer").id;
    let error = pay(&world.client, &mine, &others, "invoice-1").await.expect_err("refused");
    let Error::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.status, refusal.param.as_deref()), (400, Some("payment_method")));
    assert!(refusal.request_id.expect("told").starts_with("req_"));
}

#[tokio::test]
async fn a_card_that_was_forgotten_is_not_charged_again() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    world.client.detach_payment_method(&method, &key("detach")).await.expect("forgotten");
    assert!(matches!(pay(&world.client, &customer, &method, "invoice-1").await, Err(Error::Refused(_))));
    assert_eq!(world.paid(&customer).await, []);
}

#[tokio::test]
async fn a_customer_is_deleted_once_and_for_good() {
    let world = World::new().await;
    let new = CreateCustomer {
        email: Some(Secret::new("mina@example.org")),
        name: Some(Secret::new("Mina")),
        metadata: Metadata::from([("learner".to_owned(), "7".to_owned())]),
    };
    let customer = world.client.create_customer(&new, &key("mina")).await.expect("a customer");
    let method = world.saved("pm_card_visa", &customer.id).await;
    pay(&world.client, &customer.id, &method, "invoice-1").await.expect("paid");
    for _ in 0..2 {
        world.client.delete_customer(&customer.id).await.expect("deleted");
    }
    assert!(world.client.retrieve_customer(&customer.id).await.expect("known").deleted);
    assert!(pay(&world.client, &customer.id, &method, "invoice-2").await.is_err());
    assert_eq!(world.paid(&customer.id).await, [(1250, 0)], "what was paid stays");
}

#[tokio::test]
async fn payments_are_found_by_what_was_given_with_them() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    for n in 0..120 {
        pay(&world.client, &customer, &method, &format!("invoice-{n}")).await.expect("paid");
    }
    let found = world.client.find_payment_intents(&customer, "invoice", "invoice-3", 0).await.expect("a list");
    assert_eq!(found.iter().map(|it| it.metadata["invoice"].as_str()).collect::<Vec<_>>(), ["invoice-3"]);
    let none = world.client.find_payment_intents(&customer, "invoice", "invoice-3", i64::MAX).await.expect("a list");
    assert_eq!(none, [], "not since then");
    let search = world.client.search_payment_intents("invoice", "invoice-3", None).await.expect("a page");
    assert_eq!((search.data, search.has_more), (found, false));

    let page = Page { limit: 50, ..Page::default() };
    let newest = world.client.list_payment_intents(&customer, &page).await.expect("a page");
    assert_eq!((newest.data.len(), newest.has_more), (50, true));
    assert_eq!(newest.data[0].metadata["invoice"], "invoice-119");
    let before = Page { limit: 3, ending_before: Some(newest.data[10].id.clone()), ..Page::default() };
    let before = world.client.list_payment_intents(&customer, &before).await.expect("a page");
    assert_eq!(before.data, newest.data[7..10], "the page next to it, the newest first");
}

#[tokio::test]
async fn amounts_that_cards_cannot_pay_are_refused_on_both_sides() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_visa").await;
    for (amount, currency) in [(0, "usd"), (-5, "usd"), (5124, "kwd"), (550, "isk")] {
        let money = Money::new(amount, Currency::new(currency).expect("a currency"));
        let new = CreatePaymentIntent { money, ..renewal(&customer, &method, "wrong") };
        let error = world.client.create_payment_intent(&new, &key("wrong")).await.expect_err("refused");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        let form = format!("amount={amount}&currency={currency}");
        assert_eq!(raw(&world, "payment_intents", &form).await.0, 400, "{form}");
    }
    for (amount, currency) in [(1, "krw"), (5120, "kwd"), (500, "isk")] {
        let money = Money::new(amount, Currency::new(currency).expect("a currency"));
        let new = CreatePaymentIntent { money, ..renewal(&customer, &method, "right") };
        world.client.create_payment_intent(&new, &key(currency)).await.expect("paid");
    }
    assert_eq!(world.paid(&customer).await, [(1, 0), (5120, 0), (500, 0)]);
}

#[tokio::test]
async fn fields_that_nobody_knows_are_refused() {
    let world = World::new().await;
    let (status, body) = raw(&world, "payment_intents", "amount=100&currency=usd&amount_decimal=1").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("parameter_unknown")));
    let (status, body) = raw(&world, "payment_intents", "amount=1.5&currency=usd").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("parameter_invalid_integer")));
    assert_eq!(raw(&world, "subscriptions", "").await.0, 404);
}

#[tokio::test]
async fn a_card_number_is_one_of_the_test_cards() {
    let world = World::new().await;
    let card = "type=card&card[exp_month]=12&card[exp_year]=2034&card[cvc]=123&card[number]=";
    let (status, body) = raw(&world, "payment_methods", &format!("{card}4000000000009995")).await;
    assert_eq!((status, &body["card"]["last4"]), (200, &json!("9995")));
    let (status, body) = raw(&world, "payment_methods", &format!("{card}4000056655665556")).await;
    assert_eq!((status, &body["error"]["code"]), (402, &json!("incorrect_number")));
}

#[tokio::test]
async fn a_key_of_another_form_is_not_let_in() {
    let world = World::new().await;
    let config = baeum_stripe::Config {
        base_url: world.gateway.url().to_owned(),
        ..baeum_stripe::Config::stripe(Secret::new("sk_4711"))
    };
    let stranger = baeum_stripe::Client::new(&config, std::sync::Arc::new(|| 0.5)).expect("a client");
    let error = stranger.create_customer(&CreateCustomer::default(), &key("c")).await.expect_err("refused");
    assert!(matches!(error, Error::Unauthorized(_)), "{error}");
    assert!(!format!("{error:?}{error}").contains("4711"));
}

#[tokio::test]
async fn a_gateway_that_is_away_has_done_nothing() {
    let world = World::new().await;
    let gone = client(world.gateway.url(), 3, LONG);
    world.gateway.stop().await;
    let error = gone.create_customer(&CreateCustomer::default(), &key("c")).await.expect_err("away");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!((error.outcome(), error.may_pass()), (Outcome::NotDone, true));
}

/// A request as somebody else would write it.
async fn raw(world: &World, what: &str, form: &str) -> (u16, Value) {
    let request = world.http.post(format!("{}/v1/{what}", world.gateway.url())).bearer_auth("sk_test_raw");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}
