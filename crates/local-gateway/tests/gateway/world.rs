//! A gateway of a test's own, and a client of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use baeum_local_gateway::{Fault, LocalGateway, Plan, Settings};
use baeum_stripe::{
    Client, Config, Confirmation, CreateCustomer, CreatePaymentIntent, Currency, Error, IdempotencyKey, Metadata,
    Money, PaymentIntent, Retry, Secret,
};
use serde_json::{Value, json};

/// When the tests begin, in seconds since 1970.
pub(crate) const START: i64 = 1_790_000_000;
/// Longer than anything here takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) gateway: LocalGateway,
    /// Repeats by itself.
    pub(crate) client: Client,
    /// Sends each request once.
    pub(crate) once: Client,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<AtomicI64>,
}

pub(crate) fn settings(clock: &Arc<AtomicI64>) -> Settings {
    let clock = Arc::clone(clock);
    Settings {
        slow: Duration::from_millis(1),
        late: Duration::from_secs(100_000),
        ..Settings::new(Arc::new(move || clock.load(Ordering::SeqCst)), "test")
    }
}

pub(crate) fn client(url: &str, tries: u32, timeout: Duration) -> Client {
    let config = Config {
        base_url: url.to_owned(),
        secret_key: Secret::new("sk_test_of_the_tests"),
        timeout,
        connect_timeout: LONG,
        retry: Retry { tries, base: Duration::from_millis(1), cap: Duration::from_millis(4) },
    };
    Client::new(&config, Arc::new(|| 0.5)).expect("a client")
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let settings = settings(&clock);
        Self::with(settings, clock).await
    }

    pub(crate) async fn with(settings: Settings, clock: Arc<AtomicI64>) -> Self {
        let gateway = LocalGateway::start(settings).await.expect("a gateway");
        let (repeating, once) = (client(gateway.url(), 6, LONG), client(gateway.url(), 1, LONG));
        let redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().redirect(redirects).timeout(LONG).build().expect("a client");
        Self { gateway, client: repeating, once, http, clock }
    }

    pub(crate) async fn customer(&self) -> String {
        let id = self.client.create_customer(&CreateCustomer::default(), &key("customer")).await;
        id.expect("a customer").id
    }

    /// A card that is saved for the customer.
    pub(crate) async fn saved(&self, card: &str, customer: &str) -> String {
        let key = key(&format!("attach {card} {customer}").replace(' ', "-"));
        self.client.attach_payment_method(card, customer, &key).await.expect("saved").id
    }

    pub(crate) async fn customer_with(&self, card: &str) -> (String, String) {
        let customer = self.customer().await;
        let method = self.saved(card, &customer).await;
        (customer, method)
    }

    pub(crate) async fn plan(&self, plan: &Plan) {
        let sent = self.http.put(format!("{}/control/plan", self.gateway.url())).json(plan).send().await;
        assert!(sent.expect("an answer").status().is_success());
    }

    /// What happens to the next requests.
    pub(crate) async fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan(&Plan { next: faults.into_iter().collect(), ..Plan::default() }).await;
    }

    pub(crate) async fn control(&self, path: &str) -> Value {
        let sent = self.http.get(format!("{}/control/{path}", self.gateway.url())).send().await;
        sent.expect("an answer").json().await.expect("JSON")
    }

    pub(crate) async fn command(&self, path: &str, body: Value) {
        let sent = self.http.post(format!("{}/control/{path}", self.gateway.url())).json(&body).send().await;
        assert!(sent.expect("an answer").status().is_success(), "{path}");
    }

    /// The customer's charges that were paid, in the order of time: amounts, and what was given back of them.
    pub(crate) async fn paid(&self, customer: &str) -> Vec<(i64, i64)> {
        let charges = self.control(&format!("customers/{customer}/charges")).await;
        let charges = charges["data"].as_array().expect("a list").iter().filter(|it| it["paid"] == json!(true));
        let number = |charge: &Value, name: &str| charge[name].as_i64().expect("a number");
        charges.map(|it| (number(it, "amount"), number(it, "amount_refunded"))).collect()
    }
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("a key")
}

pub(crate) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::new("usd").expect("a currency"))
}

/// A payment of 12.50 USD without the customer, for the invoice of this name.
pub(crate) fn renewal(customer: &str, method: &str, invoice: &str) -> CreatePaymentIntent {
    CreatePaymentIntent {
        money: usd(1250),
        customer: Some(customer.to_owned()),
        payment_method: Some(method.to_owned()),
        confirmation: Confirmation::OffSession,
        description: Some("A month of lessons".to_owned()),
        metadata: Metadata::from([("invoice".to_owned(), invoice.to_owned())]),
    }
}

pub(crate) async fn pay(client: &Client, customer: &str, method: &str, name: &str) -> Result<PaymentIntent, Error> {
    client.create_payment_intent(&renewal(customer, method, name), &key(name)).await
}
