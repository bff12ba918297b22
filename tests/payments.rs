//! What becomes of a bill, over real HTTP from both sides: each way in which a gateway, a bank or a webhook can behave, and what
//! the subscriber ends up with.

mod support;

use std::{sync::Arc, time::Duration};

use baeum_domain::{
    Decider,
    ids::{SubscriptionId, UserId},
    money::samples::money,
    subscription::{
        bill::{Purpose, payment_id},
        dunning::Dunning,
        payment::{Collection, Payment},
        plan::samples::terms,
        subscription::{Command, Contract, Status, Subscription},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Loaded, Options, decode};
use baeum_local_gateway::{LocalGateway, Settings, Webhook};
use baeum_testing::{TestClock, TestDatabase, eventually, free_port, new_id};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use support::{ADMIN, Client, Process, send};
use tempfile::TempDir;

const SECRET: &str = "whsec_of_payments";
const BEGIN: &str = "2026-03-01T00:00:00Z";

/// A server, a gateway, and one subscriber.
struct World {
    environment: Vec<(&'static str, String)>,
    listen: String,
    serve: Option<Process>,
    gateway: LocalGateway,
    http: reqwest::Client,
    subscriber: UserId,
    subscription_id: SubscriptionId,
    log: EventLog,
    _database: TestDatabase,
    _files: TempDir,
}

impl World {
    async fn create() -> Self {
        let (database, files) = (TestDatabase::create().await, TempDir::new().expect("a folder"));
        let clock = Arc::new(TestClock::at(BEGIN));
        let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await.expect("a log");
        let begin: DateTime<Utc> = BEGIN.parse().expect("a moment");
        baeum_commands::operations::advance_clock::begin_clock(&log, "test", begin).await.expect("begun");
        let listen = format!("127.0.0.1:{}", free_port());
        let mut settings = Settings::new(Arc::new(move || begin.timestamp()), "payments");
        settings.webhook = Some(Webhook {
            url: format!("http://{listen}/v1/webhooks/stripe"),
            secret: SECRET.to_owned(),
            retry: Duration::from_millis(50),
        });
        (settings.slow, settings.late) = (Duration::from_millis(500), Duration::from_millis(500));
        let gateway = LocalGateway::start(settings).await.expect("a gateway");
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        };
        let environment = vec![
            ("DATABASE_URL", database.url()),
            ("BAEUM_KEY_FILE", support::key_file(files.path())),
            ("BAEUM_CLOCK", "travel".to_owned()),
            ("BAEUM_ADMIN_EMAIL", ADMIN.0.to_owned()),
            ("BAEUM_ADMIN_PASSWORD", ADMIN.1.to_owned()),
            ("BAEUM_GATEWAY_URL", gateway.url().to_owned()),
            ("BAEUM_GATEWAY_KEY_FILE", file("key", "sk_test_of_payments")),
            ("BAEUM_GATEWAY_WEBHOOK_SECRET_FILE", file("secret", SECRET)),
        ];
        // The bank sends people back to a page that is not there.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let mut world = Self {
            environment,
            listen,
            serve: None,
            gateway,
            http,
            subscriber: UserId(new_id()),
            subscription_id: SubscriptionId(new_id()),
            log,
            _database: database,
            _files: files,
        };
        world.start();
        let (_, id) = world.client().learner("mina").await;
        world.subscriber = id.parse().expect("an id");
        world
    }

    /// Somebody with this card.
    async fn with_card(card: &str) -> Self {
        let world = Self::create().await;
        let answer = world.attach(json!({ "payment_method": card })).await;
        assert!(answer["default"].as_str().is_some_and(|it| it.starts_with("pm_")), "{answer}");
        world
    }

    fn start(&mut self) {
        let (serve, _) = Process::start("serve", &self.listen, &self.environment);
        self.serve = Some(serve);
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.listen))
    }

    async fn mina(&self) -> Client {
        self.client().sign_in("mina@example.org", support::PASSWORD).await.0
    }

    async fn attach(&self, body: Value) -> Value {
        self.mina().await.post("/v1/payment-methods/attach", body).await.expect(200)
    }

    /// Another card, from now on.
    async fn reissue(&self, card: &str) {
        let saved = self.mina().await.get("/v1/payment-methods").await.expect(200);
        let id = saved["payment_methods"][0]["id"].as_str().expect("a saved card");
        let url = format!("{}/control/payment_methods/{id}", self.gateway.url());
        let answer = self.http.post(url).json(&json!({ "card": card })).send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    /// Moves the clock on, until it is there.
    async fn travel(&self, by: &str) {
        let admin = self.client().sign_in(ADMIN.0, ADMIN.1).await.0;
        let mut answer = admin.post("/v1/clock", json!({ "by": by })).await.expect(200);
        let to = answer["now"].clone();
        while answer["reached"] != true {
            let admin = self.client().sign_in(ADMIN.0, ADMIN.1).await.0;
            answer = admin.post("/v1/clock", json!({ "to": to })).await.expect(200);
        }
    }

    /// Subscribes, without a trial.
    async fn subscribe(&self) {
        let context = CommandContext {
            tenant: "main".into(),
            actor: self.subscriber.to_string(),
            command_id: new_id(),
            fingerprint: None,
            correlation_id: new_id(),
            causation_id: new_id(),
            expected_sequence: None,
        };
        let start = Command::Start {
            subscription_id: self.subscription_id,
            subscriber: self.subscriber,
            terms: terms("plus", money(12_900, "KRW")),
            time_zone: "Asia/Seoul".parse().expect("a time zone"),
            dunning: Dunning::default(),
            coupon: None,
            trial: false,
            at: BEGIN.parse().expect("a moment"),
        };
        let prepare = |_: Loaded<Subscription>| {
            std::future::ready(Ok::<_, baeum_domain::subscription::subscription::Error>(start.clone()))
        };
        let id = self.subscription_id.to_string();
        let done = self.log.execute::<Subscription, (), _, _>(&context, &id, prepare, |_, _| ()).await;
        done.expect("subscribed");
    }

    async fn load<D: Decider>(&self, id: &str) -> Arc<D> {
        self.log.load::<D>("main", id).await.expect("loaded").state
    }

    async fn contract(&self) -> Contract {
        let subscription = self.load::<Subscription>(&self.subscription_id.to_string()).await;
        subscription.contract.clone().expect("started")
    }

    /// The payment of the first period.
    async fn payment(&self) -> Option<Collection> {
        let purpose = Purpose::Period { subscription_id: self.subscription_id, number: 1 };
        let id = payment_id(purpose.invoice_id()).to_string();
        self.load::<Payment>(&id).await.collection.clone()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Contract) -> bool) -> Contract {
        eventually(what, || async { Some(self.contract().await).filter(&holds) }).await
    }

    /// Waits until nothing is open, then says how often the gateway took money, and what of it was given back.
    async fn paid(&self) -> (usize, usize) {
        self.until("the first period is paid", |it| it.open.is_none() && it.status == Status::Active).await;
        self.settle().await;
        self.taken().await
    }

    /// How often the gateway took money, and how often it gave some back.
    async fn taken(&self) -> (usize, usize) {
        let url = format!("{}/control/charges", self.gateway.url());
        let record: Value = self.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        let paid: Vec<_> = record["data"].as_array().expect("a list").iter().filter(|it| it["paid"] == true).collect();
        (paid.len(), paid.iter().filter(|it| it["amount_refunded"] != 0).count())
    }

    /// Every webhook has come.
    async fn settle(&self) {
        let url = format!("{}/control/webhooks/settle", self.gateway.url());
        self.http.post(url).send().await.expect("settled");
    }

    async fn count(&self, event_type: &str) -> usize {
        let mut position = 0;
        let mut count = 0;
        loop {
            let page = self.log.read(position, 1_000).await.expect("readable");
            let Some(last) = page.last() else { return count };
            position = last.position;
            for event in page {
                let event = decode(event).expect("an event of this build");
                count += usize::from(event.event_type == event_type);
            }
        }
    }

    /// The status and problem of a webhook with this header and body.
    async fn deliver(&self, signature: &str, body: &str) -> (u16, String) {
        let request = self.client().request(Method::POST, "/v1/webhooks/stripe");
        let request = request.header("Content-Type", "application/json").header("Stripe-Signature", signature);
        let answer = send(request.body(body.to_owned())).await.expect("an answer");
        let problem = answer.body["type"].as_str().unwrap_or_default();
        (answer.status.as_u16(), problem.rsplit('/').next().unwrap_or_default().to_owned())
    }

    async fn is_paid_once_with(card: &str) {
        let world = Self::with_card(card).await;
        world.subscribe().await;
        assert_eq!(world.paid().await, (1, 0), "{card}: charged once, nothing given back");
        assert_eq!(world.count("ChargeSucceeded").await, 1);
        assert_eq!(world.count("SurplusCharged").await, 0);
        assert_eq!(world.count("InvoicePaid").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_card_is_charged_once_and_again_when_the_period_ends() {
    let world = World::with_card("pm_card_visa").await;
    world.subscribe().await;
    assert_eq!(world.paid().await, (1, 0));
    world.travel("31d").await;
    let contract = world.until("the second period is paid", |it| it.period.number == 2 && it.open.is_none()).await;
    assert_eq!(contract.status, Status::Active);
    assert_eq!(world.taken().await, (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_declined_to_the_end_of_the_dunning_ends_the_subscription_and_its_invoice_is_voided() {
    let world = World::with_card("pm_card_visa_chargeDeclined").await;
    world.subscribe().await;
    let contract = world.until("past due", |it| it.status == Status::PastDue).await;
    assert!(contract.service_until().is_none(), "who starts pays first");
    world.travel("8d").await;
    world.until("cancelled and nothing owed", |it| it.status == Status::Cancelled && it.open.is_none()).await;
    assert_eq!((world.taken().await, world.count("ChargeFailed").await), ((0, 0), 5));
    assert_eq!((world.count("InvoiceVoided").await, world.count("DunningNoticeDue").await), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_funds_is_tried_again_and_the_subscription_recovers() {
    let world = World::with_card("pm_card_visa_chargeDeclinedInsufficientFunds").await;
    world.subscribe().await;
    world.until("past due", |it| it.status == Status::PastDue).await;
    let failed = world.payment().await.expect("requested");
    assert_eq!((failed.begun, failed.in_flight), (1, None));
    world.reissue("pm_card_visa").await;
    world.travel("25h").await;
    assert_eq!(world.paid().await, (1, 0));
    assert_eq!(world.payment().await.expect("requested").begun, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_bank_wants_the_subscriber_is_saved_once_they_agreed_and_then_charged_without_them() {
    let world = World::create().await;
    let mina = world.mina().await;
    let wanted = json!({
        "payment_method": "pm_card_authenticationRequiredOnSetup", "return_url": "http://127.0.0.1/back",
    });
    let setup = mina.post("/v1/payment-methods", wanted).await.expect(200);
    assert_eq!(setup["done"], false);
    let attach = json!({ "setup": setup["setup"] });
    let early = mina.post("/v1/payment-methods/attach", attach.clone()).await;
    assert_eq!(early.problem(409), "payment-method-not-agreed");
    let page = setup["redirect"].as_str().expect("a page of the bank");
    let agreed = world.http.post(page).header("Content-Type", "application/x-www-form-urlencoded");
    let agreed = agreed.body("outcome=agree").send().await.expect("an answer");
    assert!(agreed.status().is_success() || agreed.status().is_redirection(), "{}", agreed.status());
    world.attach(attach).await;
    world.subscribe().await;
    assert_eq!(world.paid().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_wants_the_subscriber_each_time_fails_the_charge_until_there_is_another_card() {
    let world = World::with_card("pm_card_authenticationRequired").await;
    world.subscribe().await;
    world.until("past due", |it| it.status == Status::PastDue).await;
    world.attach(json!({ "payment_method": "pm_card_visa" })).await;
    world.travel("25h").await;
    assert_eq!(world.paid().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_saved_nothing_is_told_so_and_pays_once_they_have() {
    let world = World::create().await;
    world.subscribe().await;
    world.until("past due", |it| it.status == Status::PastDue).await;
    assert_eq!(world.taken().await, (0, 0));
    world.attach(json!({ "payment_method": "pm_card_visa" })).await;
    world.travel("25h").await;
    assert_eq!(world.paid().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_waited_for() {
    World::is_paid_once_with("pm_local_slow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_sent_again() {
    World::is_paid_once_with("pm_local_rateLimited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_fails_before_the_charge_is_asked_again() {
    World::is_paid_once_with("pm_local_errorBefore").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_fails_after_the_charge_is_not_asked_for_another() {
    World::is_paid_once_with("pm_local_errorAfter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_before_the_charge_is_made_again() {
    World::is_paid_once_with("pm_local_lostBefore").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_the_charge_is_asked_for_again() {
    World::is_paid_once_with("pm_local_lostAfter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_webhook_changes_nothing_any_more() {
    World::is_paid_once_with("pm_local_webhookLate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_twice_counts_once() {
    World::is_paid_once_with("pm_local_webhookDuplicated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_in_another_order_come_to_the_same() {
    World::is_paid_once_with("pm_local_webhookReordered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_comes_is_not_needed() {
    World::is_paid_once_with("pm_local_webhookLost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_webhook_is_refused_and_the_true_one_taken_in() {
    let world = World::with_card("pm_local_webhookForged").await;
    world.subscribe().await;
    assert_eq!(world.paid().await, (1, 0));
    let url = format!("{}/control/deliveries", world.gateway.url());
    let tried: Value = world.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
    let tried = tried["data"].as_array().expect("a list");
    let of = |forged: bool| tried.iter().filter(move |it| it["forged"] == forged);
    assert!(of(true).count() > 0 && of(true).all(|it| it["status"] == 400), "{tried:?}");
    assert!(of(false).any(|it| it["type"] == "payment_intent.succeeded" && it["status"] == 200), "{tried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_are_not_signed_signed_long_ago_or_too_long_are_refused_by_name() {
    let world = World::with_card("pm_card_visa").await;
    let body = r#"{"id":"evt_1","type":"payment_intent.succeeded","created":1,"data":{"object":{}}}"#;
    assert_eq!(world.deliver("", body).await, (400, "webhook-forged".to_owned()));
    let wrong = format!("t=1772323200,v1={}", "0".repeat(64));
    assert_eq!(world.deliver(&wrong, body).await, (400, "webhook-forged".to_owned()));
    assert_eq!(world.deliver(&wrong, &" ".repeat(70_000)).await, (413, "body-too-large".to_owned()));
    // A true one that is sent again after days: the signature is right, its time is not.
    world.subscribe().await;
    world.paid().await;
    world.serve.as_ref().expect("running");
    let url = format!("{}/v1/events?limit=1", world.gateway.url());
    let events: Value = world
        .http
        .get(url)
        .bearer_auth("sk_test_of_payments")
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let event = events["data"][0]["id"].as_str().expect("an event").to_owned();
    let now = BEGIN.parse::<DateTime<Utc>>().expect("a moment").timestamp();
    let turn = async |moment: i64| {
        let url = format!("{}/control/clock", world.gateway.url());
        world.http.put(url).json(&json!({ "now": moment })).send().await.expect("set");
        let url = format!("{}/control/events/{event}/send", world.gateway.url());
        world.http.post(url).json(&json!({})).send().await.expect("sent");
        eventually("it was delivered", || async {
            let url = format!("{}/control/deliveries", world.gateway.url());
            let tried: Value = world.http.get(url).send().await.ok()?.json().await.ok()?;
            let mut of_event = tried["data"].as_array()?.iter().filter(|it| it["event"] == event.as_str());
            let last = of_event.next_back()?["status"].as_u64()?;
            let wanted = if moment == now { 200 } else { 400 };
            (last == wanted).then_some(())
        })
        .await;
    };
    turn(now - 600).await;
    // Sent again in time it is taken in, and changes nothing.
    turn(now).await;
    assert_eq!(world.count("ChargeSucceeded").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_a_charge_waits_and_goes_on_once_there_is_one() {
    let mut world = World::with_card("pm_card_visa").await;
    let configured = world.environment.clone();
    world.serve.take().expect("running").stop();
    world.environment.retain(|(name, _)| !name.starts_with("BAEUM_GATEWAY"));
    world.start();
    let refused = world.mina().await.post("/v1/payment-methods", json!({})).await;
    assert_eq!(refused.problem(503), "no-gateway");
    world.subscribe().await;
    eventually("the attempt waits", || async { world.payment().await?.in_flight.map(|_| ()) }).await;
    world.serve.take().expect("running").stop();
    world.environment = configured;
    world.start();
    assert_eq!(world.paid().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_methods_are_listed_chosen_and_removed_by_their_owner() {
    let world = World::with_card("pm_card_visa").await;
    let mina = world.mina().await;
    world.attach(json!({ "payment_method": "pm_card_mastercard" })).await;
    let saved = mina.get("/v1/payment-methods").await.expect(200);
    let saved = saved["payment_methods"].as_array().expect("a list");
    let of_brand = |brand: &str| saved.iter().find(|it| it["brand"] == brand).expect("saved").clone();
    let (visa, mastercard) = (of_brand("visa"), of_brand("mastercard"));
    assert_eq!(
        (&visa["last_four"], &visa["default"], &mastercard["default"]),
        (&json!("4242"), &json!(false), &json!(true))
    );
    let path = format!("/v1/payment-methods/{}", visa["id"].as_str().expect("an id"));
    let chosen = mina.post(&format!("{path}/default"), json!({})).await.expect(200);
    assert_eq!(chosen["default"], visa["id"]);
    let removed = send(mina.request(Method::DELETE, &path)).await.expect("an answer").expect(200);
    assert_eq!(removed["default"], mastercard["id"]);
    let (other, _) = world.client().learner("jun").await;
    let foreign = send(other.request(Method::DELETE, &path)).await.expect("an answer");
    assert_eq!(foreign.problem(404), "payment-method-not-found");
    let both = json!({ "setup": "seti_1", "payment_method": "pm_1" });
    assert_eq!(mina.post("/v1/payment-methods/attach", both).await.problem(422), "invalid-body");
    // What identifies a card stands nowhere in the log.
    let stored: i64 = sqlx_count(&world).await;
    assert_eq!(stored, 0, "no event holds the last digits of a card");
}

async fn sqlx_count(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events WHERE payload::text LIKE '%4242%' OR payload::text LIKE '%4444%'")
        .fetch_one(world.log.pool())
        .await
        .expect("counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_moved_by_administrators_only_and_forwards_only() {
    let world = World::create().await;
    let mina = world.mina().await;
    assert_eq!(mina.post("/v1/clock", json!({ "by": "1d" })).await.problem(403), "role-missing");
    let admin = world.client().sign_in(ADMIN.0, ADMIN.1).await.0;
    let shown = admin.get("/v1/clock").await.expect(200);
    assert_eq!((shown["now"].as_str(), &shown["travels"]), (Some(BEGIN), &json!(true)));
    assert_eq!(admin.post("/v1/clock", json!({ "to": "2020-01-01T00:00:00Z" })).await.problem(409), "clock-backwards");
    assert_eq!(admin.post("/v1/clock", json!({ "by": "soon" })).await.problem(422), "invalid-body");
    world.travel("90m").await;
    let admin = world.client().sign_in(ADMIN.0, ADMIN.1).await.0;
    assert_eq!(admin.get("/v1/clock").await.expect(200)["now"], "2026-03-01T01:30:00Z");
}
