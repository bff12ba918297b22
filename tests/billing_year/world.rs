//! The platform of a year: an API, a relay and a saga process of the real binary, a gateway over HTTP, a clock that is moved.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use baeum_commands::operations::advance_clock::begin_clock;
use baeum_domain::{
    Clock as _, Decider,
    identity::locale::TimeZone,
    ids::{PurchaseId, RefundId, derive_id},
    money::Money,
    subscription::{
        billing_account::{self, BillingAccount},
        credits::{self, CreditBalance},
        dunning::Dunning,
        gateway::Gateway as _,
        payment::{self, AskedBy, Payment},
        refund::{self, Ground, Purchase, Reason, Refund, RefundPolicy},
        subscription::{Command, Subscription},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Loaded, Options, decode};
use baeum_gateway::StripeGateway;
use baeum_local_gateway::{LocalGateway, Settings, Webhook};
use baeum_testing::{TestClock, TestDatabase, free_port, nats_url, new_id, stream_name};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    books::{Books, Closing},
    people::{Act, HOURS, Person},
    support::{self, Process},
};

const BEGIN: &str = "2026-01-01T00:00:00Z";
const SECRET: &str = "whsec_of_the_year";
const TENANT: &str = "main";
/// Timers within so much time are waited for together.
const TOGETHER: TimeDelta = TimeDelta::hours(12);

pub(crate) struct World {
    people: Vec<Person>,
    methods: BTreeMap<u64, String>,
    books: Books,
    begin: DateTime<Utc>,
    clock: Arc<TestClock>,
    log: EventLog,
    environment: Vec<(&'static str, String)>,
    billing: Arc<Mutex<Process>>,
    // Ended in this order: nothing writes to a database or asks a gateway that is gone.
    _api: Process,
    _relay: Process,
    gateway: LocalGateway,
    http: reqwest::Client,
    seconds: Arc<AtomicI64>,
    steps: Arc<AtomicU64>,
    kills: Arc<AtomicU64>,
    seed: u64,
    stream: String,
    database: TestDatabase,
    _files: TempDir,
}

impl World {
    pub(crate) async fn create(seed: u64, people: u64) -> Self {
        let (database, files) = (TestDatabase::create().await, TempDir::new().expect("a folder"));
        let begin: DateTime<Utc> = BEGIN.parse().expect("a moment");
        let clock = Arc::new(TestClock::at(BEGIN));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        begin_clock(&log, "test", begin).await.expect("begun");
        let seconds = Arc::new(AtomicI64::new(begin.timestamp()));
        let port = free_port();
        let api = format!("127.0.0.1:{port}");
        let of_gateway = seconds.clone();
        let mut settings = Settings::new(Arc::new(move || of_gateway.load(Ordering::SeqCst)), "year");
        settings.webhook = Some(Webhook {
            url: format!("http://{api}/v1/webhooks/stripe"),
            secret: SECRET.to_owned(),
            retry: Duration::from_millis(50),
        });
        (settings.slow, settings.late) = (Duration::from_millis(150), Duration::from_millis(100));
        let gateway = LocalGateway::start(settings).await.expect("a gateway");
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        };
        let stream = stream_name();
        let environment = vec![
            ("DATABASE_URL", database.url()),
            ("NATS_URL", nats_url()),
            ("BAEUM_STREAM", stream.clone()),
            ("BAEUM_KEY_FILE", support::key_file(files.path())),
            ("BAEUM_CLOCK", "travel".to_owned()),
            ("BAEUM_GATEWAY_URL", gateway.url().to_owned()),
            ("BAEUM_GATEWAY_KEY_FILE", file("key", "sk_test_of_the_year")),
            ("BAEUM_GATEWAY_WEBHOOK_SECRET_FILE", file("secret", SECRET)),
        ];
        let (api, _) = Process::start("api", &api, &environment);
        let (relay, _) = Process::start("relay", "127.0.0.1:0", &environment);
        let (billing, _) = Process::start("process", "127.0.0.1:0", &environment);
        let mut world = Self {
            people: (0..people).map(|number| Person::draw(seed, number)).collect(),
            methods: BTreeMap::new(),
            books: Books::default(),
            begin,
            clock,
            log,
            environment,
            billing: Arc::new(Mutex::new(billing)),
            _api: api,
            _relay: relay,
            gateway,
            http: reqwest::Client::new(),
            seconds,
            steps: Arc::default(),
            kills: Arc::default(),
            seed,
            stream,
            database,
            _files: files,
        };
        world.save_cards().await;
        world.go_wrong().await;
        world
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    pub(crate) fn counted(&self) -> String {
        let names = [
            "SubscriptionRenewed",
            "ChargeAttempted",
            "ChargeSucceeded",
            "ChargeFailed",
            "SurplusCharged",
            "SubscriptionCancelled",
            "SubscriptionPaused",
            "SubscriptionPlanChanged",
            "RefundSucceeded",
            "CreditsAdded",
        ];
        let counts = names.map(|name| format!("{name} {}", self.books.count(name)));
        format!("{} events ({})", self.books.position, counts.join(", "))
    }

    /// Everybody has a card that is good.
    async fn save_cards(&mut self) {
        let api = StripeGateway::new(self.gateway.url().to_owned(), "sk_test_of_the_year".to_owned(), vec![]);
        let api = api.expect("a gateway");
        for person in &self.people {
            let subscriber = person.user_id;
            let customer = api.customer(TENANT, subscriber).await.expect("a customer");
            let payment_method = api.attach(&customer, "pm_card_visa").await.expect("saved");
            self.methods.insert(person.number, payment_method.clone());
            let id = subscriber.to_string();
            self.send::<BillingAccount>(&id, billing_account::Command::Open { subscriber, customer })
                .await
                .expect("open");
            let save = billing_account::Command::Save { subscriber, payment_method };
            self.send::<BillingAccount>(&id, save).await.expect("saved");
        }
    }

    /// What goes wrong at the gateway, by chance that depends on the seed and the key of a request alone.
    async fn go_wrong(&self) {
        let plan = json!({
            "seed": self.seed,
            "requests": {
                "rate_limited": 0.03, "error_before": 0.02, "lost_before": 0.02, "slow": 0.01, "error_after": 0.02,
                "lost_after": 0.04,
            },
            "webhooks": { "late": 0.05, "duplicated": 0.1, "reordered": 0.1, "forged": 0.05, "lost": 0.1 },
        });
        let url = format!("{}/control/plan", self.gateway.url());
        let answer = self.http.put(url).json(&plan).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Lives the year; the process that bills is killed shortly after these steps of the clock.
    pub(crate) async fn live_a_year(&mut self, kills: &[u64]) {
        let mut days: BTreeMap<u32, Vec<(usize, Act)>> = BTreeMap::new();
        for (index, person) in self.people.iter().enumerate() {
            for (hour, act) in &person.acts {
                days.entry(*hour).or_default().push((index, *act));
            }
        }
        for (hour, acts) in days {
            self.travel(self.begin + TimeDelta::hours(hour.into()), kills).await;
            for (index, act) in acts {
                self.act(index, act).await;
            }
        }
        self.travel(self.begin + TimeDelta::hours(HOURS.into()), kills).await;
        // Late webhooks change nothing any more; what they may change is let come.
        let settle = format!("{}/control/webhooks/settle", self.gateway.url());
        let _ = self.http.post(settle).send().await;
        self.travel(self.begin + TimeDelta::hours(i64::from(HOURS) + 1), kills).await;
    }

    /// Moves the clock, from timer to timer, and looks at the books of each moment.
    async fn travel(&mut self, to: DateTime<Utc>, kills: &[u64]) {
        let (seconds, steps) = (self.seconds.clone(), self.steps.clone());
        let clock = self.clock.clone();
        let before = |moment: DateTime<Utc>| {
            seconds.store(moment.timestamp(), Ordering::SeqCst);
            clock.stand_at(moment);
            let step = steps.fetch_add(1, Ordering::SeqCst);
            for _ in kills.iter().filter(|kill| **kill == step) {
                self.kill_soon(step);
            }
            std::future::ready(())
        };
        let registry = baeum_sagas::registry();
        let patience = Duration::from_secs(300);
        let reached =
            baeum_sagas::travel(std::slice::from_ref(&self.log), &registry, "test", (to, TOGETHER), patience, before);
        let reached = reached.await.expect("travelled");
        assert_eq!(reached, to, "the processes did not come to rest at {reached}: {}", self.waiting().await);
        self.read().await;
        self.books.check_at(to);
    }

    /// What the processes still have to do.
    async fn waiting(&self) -> String {
        let waiting: Vec<(String, String, i32, Option<String>)> = sqlx::query_as(
            "SELECT process, command::text, attempts, last_error FROM process_commands WHERE status = 'pending' LIMIT 5",
        )
        .fetch_all(&self.database.pool)
        .await
        .unwrap_or_default();
        format!("{waiting:?}")
    }

    /// Kills the process that bills while it is at work on what a step has brought, and starts it again.
    fn kill_soon(&self, step: u64) {
        let mut random = fastrand::Rng::with_seed(self.seed ^ step);
        let pause = Duration::from_millis(random.u64(0..120));
        let (billing, kills) = (self.billing.clone(), self.kills.clone());
        let (environment, pool) = (self.environment.clone(), self.database.pool.clone());
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            billing.lock().unwrap_or_else(PoisonError::into_inner).kill();
            // Its leases would end by themselves in a few seconds.
            let freed = sqlx::query("DELETE FROM leases WHERE name LIKE 'process:%'").execute(&pool).await;
            freed.expect("freed");
            let (process, _) = Process::start("process", "127.0.0.1:0", &environment);
            *billing.lock().unwrap_or_else(PoisonError::into_inner) = process;
            kills.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// Takes in what the log has had since.
    async fn read(&mut self) {
        loop {
            let page = self.log.read(self.books.position, 1_000).await.expect("readable");
            let Some(last) = page.last().map(|event| event.position) else { return };
            for event in page {
                self.books.take(&decode(event).expect("an event of this build"));
            }
            self.books.position = last;
        }
    }

    async fn send<D: Decider>(&self, id: &str, command: D::Command) -> Result<(), String>
    where
        D::Command: Clone + Send + Sync,
        D::Error: std::error::Error + Send,
    {
        let context = CommandContext {
            tenant: TENANT.into(),
            actor: "test".into(),
            command_id: new_id(),
            fingerprint: None,
            correlation_id: new_id(),
            causation_id: new_id(),
            expected_sequence: None,
        };
        let prepare = |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
        let done = self.log.execute::<D, (), D::Error, _>(&context, id, prepare, |_, _| ()).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// Does what somebody wants. What is refused, because it does not fit where they stand, is their affair.
    async fn act(&mut self, index: usize, act: Act) {
        self.read().await;
        let person = &self.people[index];
        let (at, id) = (self.clock.now(), person.subscription_id.to_string());
        let subscriber = person.user_id;
        let _refused = match act {
            Act::Subscribe => {
                let start = Command::Start {
                    subscription_id: person.subscription_id,
                    subscriber,
                    terms: person.terms(person.plan),
                    time_zone: "Asia/Seoul".parse::<TimeZone>().expect("a time zone"),
                    dunning: Dunning::default(),
                    coupon: person.coupon.clone(),
                    trial: person.trial,
                    at,
                };
                self.send::<Subscription>(&id, start).await
            }
            Act::Change(plan) => {
                let terms = person.terms(plan);
                let known = self.books.subscriptions.get(&person.subscription_id);
                match known.map(|it| it.preview_change(&terms, at)) {
                    Some(Ok(preview)) => {
                        let change = Command::ChangePlan { terms, shown_at: at, net: preview.net, at };
                        self.send::<Subscription>(&id, change).await
                    }
                    _ => Ok(()),
                }
            }
            Act::Pause => self.send::<Subscription>(&id, Command::Pause { at }).await,
            Act::Resume => self.send::<Subscription>(&id, Command::Resume { at }).await,
            Act::CancelNow => self.send::<Subscription>(&id, Command::CancelNow { at }).await,
            Act::CancelAtPeriodEnd => self.send::<Subscription>(&id, Command::CancelAtPeriodEnd).await,
            Act::Reactivate => self.send::<Subscription>(&id, Command::Reactivate { at }).await,
            Act::Card(card) => {
                let url = format!("{}/control/payment_methods/{}", self.gateway.url(), self.methods[&person.number]);
                let answer = self.http.post(url).json(&json!({ "card": card })).send().await.expect("an answer");
                assert!(answer.status().is_success());
                Ok(())
            }
            Act::BuyCredits(units) => {
                let purchase_id = PurchaseId(derive_id(&["purchase", &id, &at.to_rfc3339()]));
                let unit_price = person.credit_price();
                let buy = credits::Command::Buy { subscriber, purchase_id, units, unit_price, at };
                self.send::<CreditBalance>(&credits::id_of(subscriber).to_string(), buy).await
            }
            Act::PayNow => {
                let open = self.books.subscriptions.get(&person.subscription_id);
                let open = open.and_then(|it| it.contract.as_ref()?.open);
                match open.map(|open| baeum_domain::subscription::bill::payment_id(open.invoice_id)) {
                    Some(payment_id) => {
                        let payment = self.log.load::<Payment>(TENANT, &payment_id.to_string()).await.expect("loaded");
                        let begun = payment.state.collection.as_ref().map_or(0, |it| it.begun);
                        let asked_by = AskedBy::Subscriber;
                        let begin = payment::Command::BeginCharge { attempt: begun + 1, asked_by, at };
                        self.send::<Payment>(&payment_id.to_string(), begin).await
                    }
                    None => Ok(()),
                }
            }
            Act::Refund(hundredths) => match self.books.last_payment.get(&subscriber) {
                Some((payment_id, paid_at)) => {
                    let payment = self.log.load::<Payment>(TENANT, &payment_id.to_string()).await.expect("loaded");
                    let collection = payment.state.collection.clone().expect("requested");
                    let (paid, reference) = (collection.amount, collection.captured.expect("paid"));
                    let purchase =
                        Purchase { paid, refunded: Money::zero(paid.currency()), paid_at: *paid_at, period: None };
                    let ground = Ground::Policy(RefundPolicy::default(), purchase);
                    let refund_id = RefundId(derive_id(&["refund", &id, &at.to_rfc3339()]));
                    let (payment_id, amount) = (*payment_id, paid.portion(hundredths, 100));
                    let reason = Reason::NotWanted;
                    let request =
                        refund::Command::Request { refund_id, payment_id, reference, amount, ground, reason, at };
                    self.send::<Refund>(&refund_id.to_string(), request).await
                }
                None => Ok(()),
            },
        };
    }

    /// Compares the books with the gateway's own record, and closes them.
    pub(crate) async fn check(&mut self) -> Closing {
        self.read().await;
        self.books.check_at(self.clock.now());
        let url = format!("{}/control/charges", self.gateway.url());
        let record: Value = self.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        let mut held: BTreeMap<String, i128> = BTreeMap::new();
        let mut paid: BTreeMap<String, usize> = BTreeMap::new();
        for charge in record["data"].as_array().expect("a list") {
            if charge["paid"] != true {
                continue;
            }
            let amount = |name: &str| i128::from(charge[name].as_i64().expect("an amount"));
            let currency = charge["currency"].as_str().expect("a currency").to_owned();
            *held.entry(currency).or_default() += amount("amount") - amount("amount_refunded");
            let payment = charge["metadata"]["payment_id"].as_str().expect("a payment of ours").to_owned();
            *paid.entry(payment).or_default() += 1;
        }
        assert_eq!(self.books.with_gateway(), held, "what lies with the gateway is what the gateway says");
        for (payment, times) in &paid {
            let payment_id = payment.parse().expect("an id");
            let captured = self.books.captured.get(&payment_id).copied().unwrap_or(0);
            let surplus = self.books.surplus.get(&payment_id).copied().unwrap_or(0);
            assert!(captured <= 1, "payment {payment} was paid {captured} times");
            assert_eq!(*times, captured + surplus, "the gateway charged payment {payment} otherwise than the log says");
        }
        let failed: Vec<(String, Option<String>)> =
            // These people have no account, so nobody can be told of anything.
            sqlx::query_as(
                "SELECT process || ' ' || step, last_error FROM process_commands
                 WHERE status = 'failed' AND process NOT IN ('receipt', 'subscription_notice')",
            )
                .fetch_all(&self.database.pool)
                .await
                .expect("read");
        assert_eq!(failed, vec![], "no step was given up");
        self.books.close()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The stream would outlive the test otherwise.
        let (stream, runtime) =
            (self.stream.clone(), tokio::runtime::Builder::new_current_thread().enable_all().build());
        let Ok(runtime) = runtime else { return };
        let removing = std::thread::spawn(move || {
            runtime.block_on(async {
                if let Ok(nats) = async_nats::connect(nats_url()).await {
                    let _ = async_nats::jetstream::new(nats).delete_stream(stream).await;
                }
            });
        });
        let _ = removing.join();
    }
}
