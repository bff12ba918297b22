//! Banks that want the customer to agree (3-D Secure).

use baeum_stripe::{
    Confirmation, CreatePaymentIntent, CreateSetupIntent, Error, Metadata, NextAction, PaymentIntent,
    PaymentIntentStatus, SetupIntentStatus,
};

use crate::world::{World, key, pay, renewal};

const BACK: &str = "https://school.example/back?from=bank";

fn on_session() -> Confirmation {
    Confirmation::OnSession { return_url: BACK.to_owned() }
}

fn page_of(action: Option<NextAction>) -> String {
    match action {
        Some(NextAction::RedirectToUrl { redirect_to_url }) => {
            assert_eq!(redirect_to_url.return_url.as_deref(), Some(BACK));
            redirect_to_url.url
        }
        other => panic!("{other:?}"),
    }
}

/// Visits the bank's page and decides there; gives where the customer is sent back to.
async fn decide(world: &World, page: &str, outcome: &str) -> String {
    let shown = world.http.get(page).send().await.expect("a page").text().await.expect("text");
    assert!(shown.contains("<form"), "{shown}");
    let request = world.http.post(page).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(format!("outcome={outcome}")).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 303);
    answer.headers()["location"].to_str().expect("text").to_owned()
}

async fn begun(world: &World, customer: &str, method: &str) -> PaymentIntent {
    let new = CreatePaymentIntent { confirmation: on_session(), ..renewal(customer, method, "invoice-1") };
    let begun = world.client.create_payment_intent(&new, &key("invoice-1")).await.expect("begun");
    assert_eq!(begun.status, PaymentIntentStatus::RequiresAction);
    begun
}

#[tokio::test]
async fn a_renewal_that_the_bank_wants_the_customer_for_is_paid_when_they_agree() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_authenticationRequired").await;
    let error = pay(&world.client, &customer, &method, "invoice-1").await.expect_err("not without the customer");
    let Error::AuthenticationRequired(refusal) = error else { panic!("{error}") };
    let intent = refusal.payment_intent.expect("told");
    assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod);
    assert!(intent.client_secret.is_some());

    // The customer comes, and confirms the same payment.
    let confirmed = world.client.confirm_payment_intent(&intent.id, Some(&method), &on_session(), &key("here")).await;
    let confirmed = confirmed.expect("begun");
    assert_eq!(confirmed.status, PaymentIntentStatus::RequiresAction);
    assert_eq!(world.paid(&customer).await, []);
    let back = decide(&world, &page_of(confirmed.next_action), "agree").await;
    assert_eq!(back, format!("{BACK}&payment_intent={}&redirect_status=succeeded", intent.id));
    let paid = world.client.retrieve_payment_intent(&intent.id).await.expect("there");
    assert_eq!((paid.status, paid.next_action), (PaymentIntentStatus::Succeeded, None));
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn a_customer_who_does_not_agree_pays_nothing() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_authenticationRequired").await;
    let begun = begun(&world, &customer, &method).await;
    let back = decide(&world, &page_of(begun.next_action), "refuse").await;
    assert!(back.ends_with("redirect_status=failed"), "{back}");
    let after = world.client.retrieve_payment_intent(&begun.id).await.expect("there");
    assert_eq!(after.status, PaymentIntentStatus::RequiresPaymentMethod);
    let code = after.last_payment_error.expect("told").code;
    assert_eq!(code.as_deref(), Some("payment_intent_authentication_failure"));
    assert_eq!(world.paid(&customer).await, []);
}

#[tokio::test]
async fn agreeing_twice_pays_once() {
    let world = World::new().await;
    let (customer, method) = world.customer_with("pm_card_authenticationRequired").await;
    let begun = begun(&world, &customer, &method).await;
    let page = page_of(begun.next_action);
    decide(&world, &page, "agree").await;
    let request = world.http.post(&page).header("content-type", "application/x-www-form-urlencoded");
    let again = request.body("outcome=agree").send().await.expect("an answer");
    assert_eq!(again.status().as_u16(), 404);
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn a_customer_may_agree_and_have_no_money() {
    let world = World::new().await;
    let card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds";
    let (customer, method) = world.customer_with(card).await;
    let begun = begun(&world, &customer, &method).await;
    decide(&world, &page_of(begun.next_action), "agree").await;
    let after = world.client.retrieve_payment_intent(&begun.id).await.expect("there");
    let error = after.last_payment_error.expect("told");
    assert_eq!(error.decline_code.as_deref(), Some("insufficient_funds"));
    assert_eq!(world.paid(&customer).await, []);
}

#[tokio::test]
async fn a_card_that_was_saved_with_consent_is_charged_without_the_customer() {
    let world = World::new().await;
    let card = "pm_card_authenticationRequiredOnSetup";
    let (customer, without) = world.customer_with(card).await;
    let error = pay(&world.client, &customer, &without, "invoice-1").await.expect_err("no consent yet");
    assert!(matches!(error, Error::AuthenticationRequired(_)), "{error}");

    let new = CreateSetupIntent {
        customer: customer.clone(),
        payment_method: Some(card.to_owned()),
        confirmation: on_session(),
        metadata: Metadata::new(),
    };
    let setup = world.client.create_setup_intent(&new, &key("setup")).await.expect("begun");
    assert_eq!(setup.status, SetupIntentStatus::RequiresAction);
    let back = decide(&world, &page_of(setup.next_action), "agree").await;
    assert_eq!(back, format!("{BACK}&setup_intent={}&redirect_status=succeeded", setup.id));
    let setup = world.client.retrieve_setup_intent(&setup.id).await.expect("there");
    assert_eq!(setup.status, SetupIntentStatus::Succeeded);
    let method = setup.payment_method.expect("saved");
    let saved = world.client.retrieve_payment_method(&method).await.expect("there");
    assert_eq!(saved.customer.as_deref(), Some(&*customer));
    pay(&world.client, &customer, &method, "invoice-2").await.expect("paid");
    assert_eq!(world.paid(&customer).await, [(1250, 0)]);
}

#[tokio::test]
async fn a_setup_that_the_customer_refuses_saves_nothing() {
    let world = World::new().await;
    let customer = world.customer().await;
    let new = CreateSetupIntent {
        customer: customer.clone(),
        payment_method: Some("pm_card_authenticationRequiredOnSetup".to_owned()),
        confirmation: on_session(),
        metadata: Metadata::new(),
    };
    let setup = world.client.create_setup_intent(&new, &key("setup")).await.expect("begun");
    let method = setup.payment_method.clone().expect("told");
    decide(&world, &page_of(setup.next_action), "refuse").await;
    let after = world.client.retrieve_setup_intent(&setup.id).await.expect("there");
    assert_eq!(after.status, SetupIntentStatus::RequiresPaymentMethod);
    assert_eq!(after.last_setup_error.expect("told").code.as_deref(), Some("setup_intent_authentication_failure"));
    assert_eq!(world.client.retrieve_payment_method(&method).await.expect("there").customer, None);
}
