//! A platform with its processes of kits, a warehouse, a carrier, and subscribers who pay or do not.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use baeum_carrier::HttpCarrier;
use baeum_commands::{
    Caller, Commands, Ports, Request,
    keys::{KeyRing, SecretKey},
    kit::warehouse::Quantity,
};
use baeum_domain::{
    AnyEvent, Clock as _, Decider, Recorded,
    catalog::Catalog,
    identity::user::{self, Role, User, samples},
    ids::{ClipId, InvoiceId, KitId, PlanId, SubscriptionId, UserId},
    kit::{
        address::Address,
        kit::{Kit, Order, id_of},
        plan::{KitTerms, samples::terms},
        sku::{Kind, Listing, samples::sku},
        stock::{self, Stock},
    },
    learning::evaluation::{Answer, Evaluator, EvaluatorError, OneModel, Verdict},
    level::Cefr,
    money::samples::money,
    subscription::{
        bill::{Bill, payment_id},
        dunning::Dunning,
        invoice::{self, Invoice, VoidReason},
        payment::{self, AskedBy, ChargeOutcome, Payment},
        period::Interval,
        plan::{self, Offer, Plan, samples::terms as plan_terms},
        subscription::{self, Contract, Subscription},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Loaded, Options, decode};
use baeum_local_carrier::{LocalCarrier, Settings};
use baeum_ml::{
    assessment::adaptive_test::CatalogTest, learning::planner::CatalogPlanner,
    recommendation::bandit_recommender::BanditRecommender, review::fsrs_scheduler::FsrsScheduler,
};
use baeum_sagas::{
    Erased, at_rest,
    kit::{kit_delivery::KitDelivery, stock_expiry::StockExpiry},
};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, eventually, new_id};
use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) commands: Commands,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) carrier: LocalCarrier,
    pub(crate) database: TestDatabase,
}

/// These tests evaluate nothing.
struct NoEvaluator;

impl Evaluator for NoEvaluator {
    fn evaluate(&self, _: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        Err(EvaluatorError::Failed { model_id: "none".into(), reason: "there is none".into() })
    }

    fn model_id(&self) -> &'static str {
        "none"
    }

    fn weights_hash(&self) -> &'static str {
        "0"
    }
}

fn catalog() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let names = ["titles.toml", "clips/b1.toml", "items/b1.toml"];
    let files = names.map(|name| (name, fs::read_to_string(root.join(name)).expect("the catalogue is there")));
    Catalog::parse(files.iter().map(|(name, text)| (*name, text.as_str()))).expect("the catalogue is sound")
}

/// The processes of kits: those that bill are another's.
pub(crate) fn registry() -> Vec<Erased> {
    vec![Erased::of::<KitDelivery>(), Erased::of::<StockExpiry>()]
}

/// The processes at work, until they are stopped.
pub(crate) struct Running {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("stopped");
    }
}

impl World {
    pub(crate) async fn create() -> Self {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let catalog = Arc::new(catalog());
        let key = |byte| SecretKey::from([byte; 32]);
        let ports = Ports {
            test: Arc::new(CatalogTest::new(&catalog)),
            planner: Arc::new(CatalogPlanner::new(catalog.clone())),
            recommender: Arc::new(BanditRecommender::new(catalog.clone())),
            scheduler: Arc::new(FsrsScheduler),
            listener: None,
            evaluators: Arc::new(OneModel::direct(Arc::new(NoEvaluator))),
            entropy: Arc::new(TestEntropy::default()),
            keys: Arc::new(KeyRing::new(vec![("test".into(), key(1))], key(2), Arc::new(TestEntropy::default()))),
            catalog,
        };
        let now = clock.clone();
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            key: "ck_test".into(),
            receiver: None,
            clock: Arc::new(move || now.now().timestamp()),
        };
        let carrier = LocalCarrier::start(settings).await.expect("a carrier");
        let adapter = HttpCarrier::new(carrier.url(), "ck_test", "cs_test").expect("an adapter");
        let commands = Commands::new(log, ports).with_carrier(Arc::new(adapter));
        Self { commands, clock, carrier, database }
    }

    /// A world whose plan comes with kits of `items`, with a shelf of four things for everybody, `units` of each.
    pub(crate) async fn with_kits(items: u8, units: u32) -> Self {
        let world = Self::create().await;
        world.offer(terms(items)).await;
        for (name, kind, krw) in [
            ("book", Kind::Book, 9_000),
            ("workbook", Kind::Workbook, 7_000),
            ("cards", Kind::Cards, 5_000),
            ("tea", Kind::Sample, 3_000),
        ] {
            world.stock_up(name, kind, krw, units).await;
        }
        world
    }

    pub(crate) fn log(&self) -> &EventLog {
        self.commands.log()
    }

    pub(crate) fn start(&self) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(baeum_sagas::run(self.commands.clone(), registry(), stop.clone()));
        Running { stop, task }
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settle(&self) {
        eventually("nothing is left to do", || async {
            let head = self.log().head().await.ok()?;
            let resting = at_rest(&self.database.pool, &registry(), head, self.clock.now()).await.ok()?;
            (resting && self.log().head().await.ok()? == head).then_some(())
        })
        .await;
    }

    /// Time goes on, and what came due is done.
    pub(crate) async fn pass(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
        // An event lets the processes look at the clock at once.
        let units = u32::try_from(self.clock.now().timestamp() / 86_400).expect("a day");
        self.execute::<Stock>(stock_id("tick"), stock::Command::SetThreshold { sku: sku("tick"), units }).await;
        self.settle().await;
    }

    pub(crate) async fn try_execute<D: Decider>(&self, id: Uuid, command: D::Command) -> Result<(), String> {
        let context = CommandContext {
            tenant: "main".into(),
            actor: "test".into(),
            command_id: new_id(),
            fingerprint: None,
            correlation_id: new_id(),
            causation_id: new_id(),
            expected_sequence: None,
        };
        let prepare = move |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
        let done = self.log().execute::<D, (), D::Error, _>(&context, &id.to_string(), prepare, |_, _| ()).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    pub(crate) async fn execute<D: Decider>(&self, id: Uuid, command: D::Command) {
        self.try_execute::<D>(id, command).await.expect("decided");
    }

    pub(crate) fn request(&self, user_id: UserId, roles: &[Role]) -> Request {
        let caller = Caller { tenant: "main".into(), user_id, roles: roles.iter().copied().collect() };
        Request { caller, idempotency: None, expected_sequence: None, correlation_id: self.clock.new_id() }
    }

    pub(crate) fn admin(&self) -> Request {
        self.request(UserId(Uuid::nil()), &[Role::Admin])
    }

    async fn offer(&self, terms: KitTerms) {
        let plus: PlanId = "plus".parse().expect("a plan id");
        let prices = vec![money(12_900, "KRW")];
        let offer = Offer { interval: Interval::MONTHLY, prices, trial_days: 0, evaluations: 100 };
        let create = plan::Command::Create { plan_id: plus.clone(), offer };
        self.execute::<Plan>(plan::id_of("main", &plus), create).await;
        self.commands.set_kit_plan(&self.admin(), plus, terms).await.expect("set");
    }

    /// A clip of the catalogue that a lesson can be made of.
    pub(crate) fn clip(&self) -> ClipId {
        let mut clips = self.commands.catalog().clips.values();
        clips.find(|clip| !clip.tasks.is_empty()).expect("a clip with tasks").id.clone()
    }

    pub(crate) async fn stock_up(&self, name: &str, kind: Kind, krw: i64, units: u32) {
        let listing = Listing {
            name: name.to_owned(),
            kind,
            language: "en".parse().expect("a language"),
            levels: [Cefr::A1].into(),
            topics: ["travel".parse().expect("a topic")].into(),
            opens: self.clip(),
            parcel_grams: 250,
            portion_grams: None,
            values: vec![money(krw, "KRW")],
        };
        self.commands.list_sku(&self.admin(), sku(name), listing).await.expect("listed");
        if units > 0 {
            self.deliver(name, units).await;
        }
    }

    pub(crate) async fn deliver(&self, name: &str, units: u32) {
        let delivered = self.commands.receive_stock(&self.admin(), sku(name), Quantity::Units(units)).await;
        delivered.expect("received");
    }

    /// A learner with an address in this country, or without one.
    pub(crate) async fn learner(&self, country: Option<&str>) -> UserId {
        let user_id = UserId(new_id());
        let roles = [Role::Learner].into();
        let preferences = samples::preferences();
        self.execute::<User>(user_id.0, user::Command::Register { user_id, roles, preferences }).await;
        if let Some(country) = country {
            self.live_in(user_id, country).await;
        }
        user_id
    }

    pub(crate) async fn live_in(&self, learner: UserId, country: &str) {
        let address = Address {
            recipient: "Mina".into(),
            street: "1 Sejong-daero".into(),
            city: "Seoul".into(),
            postal_code: Some("04524".into()),
            country: country.parse().expect("a country"),
            phone: None,
        };
        self.commands.set_delivery_address(&self.request(learner, &[]), &address).await.expect("set");
    }

    /// Subscribes somebody; gives the bill of the first period.
    pub(crate) async fn subscribe(&self, subscriber: UserId) -> (SubscriptionId, Bill) {
        let subscription_id = SubscriptionId(new_id());
        let start = subscription::Command::Start {
            subscription_id,
            subscriber,
            terms: plan_terms("plus", money(12_900, "KRW")),
            time_zone: "Asia/Seoul".parse().expect("a zone"),
            dunning: Dunning::default(),
            coupon: None,
            trial: false,
            at: self.clock.now(),
        };
        self.execute::<Subscription>(subscription_id.0, start).await;
        (subscription_id, self.latest_bill(subscription_id).await)
    }

    pub(crate) async fn contract(&self, subscription_id: SubscriptionId) -> Contract {
        let loaded = self.log().load::<Subscription>("main", &subscription_id.to_string()).await.expect("loaded");
        loaded.state.contract.clone().expect("a contract")
    }

    /// The bill of the period that began last.
    pub(crate) async fn latest_bill(&self, subscription_id: SubscriptionId) -> Bill {
        let bills = self.events().await.into_iter().rev().find_map(|event| match event.payload {
            AnyEvent::Subscription(
                subscription::Event::SubscriptionStarted { subscription_id: of, bill: Some(bill), .. }
                | subscription::Event::SubscriptionRenewed { subscription_id: of, bill, .. }
                | subscription::Event::SubscriptionReactivated { subscription_id: of, bill, .. },
            ) if of == subscription_id => Some(bill),
            _ => None,
        });
        bills.expect("a bill")
    }

    /// Sends the invoice of a bill, as billing does.
    pub(crate) async fn invoice(&self, subscriber: UserId, bill: &Bill) {
        let issue = invoice::Command::Issue { subscriber, bill: bill.clone(), at: self.clock.now() };
        self.execute::<Invoice>(bill.invoice_id.0, issue).await;
    }

    /// Charges an invoice that was sent, as billing and the gateway do.
    pub(crate) async fn charge(&self, subscription_id: SubscriptionId, bill: &Bill) {
        let (invoice_id, at, amount) = (bill.invoice_id, self.clock.now(), bill.total);
        let payment_id = payment_id(invoice_id);
        let outcome = ChargeOutcome::Succeeded { reference: format!("pi_{payment_id}") };
        for command in [
            payment::Command::Request { payment_id, invoice_id, amount, attempts_at: vec![at] },
            payment::Command::BeginCharge { attempt: 1, asked_by: AskedBy::Schedule, at },
            payment::Command::RecordCharge { attempt: 1, outcome, at },
        ] {
            self.execute::<Payment>(payment_id.0, command).await;
        }
        self.execute::<Invoice>(invoice_id.0, invoice::Command::RecordPayment { payment_id, amount, at }).await;
        self.execute::<Subscription>(subscription_id.0, subscription::Command::RecordPaid { invoice_id }).await;
    }

    /// Subscribes somebody who pays at once; gives the kit.
    pub(crate) async fn subscribe_and_pay(&self, subscriber: UserId) -> KitId {
        let (subscription_id, bill) = self.subscribe(subscriber).await;
        self.settle().await;
        self.invoice(subscriber, &bill).await;
        self.charge(subscription_id, &bill).await;
        self.settle().await;
        id_of(bill.invoice_id)
    }

    /// Gives an invoice up, as billing does when the dunning is over.
    pub(crate) async fn void(&self, invoice_id: InvoiceId) {
        let void = invoice::Command::Void { reason: VoidReason::Unpaid, at: self.clock.now() };
        self.execute::<Invoice>(invoice_id.0, void).await;
    }

    pub(crate) async fn order(&self, kit_id: KitId) -> Order {
        let loaded = self.log().load::<Kit>("main", &kit_id.to_string()).await.expect("loaded");
        loaded.state.order.clone().expect("an opened kit")
    }

    pub(crate) async fn stock(&self, name: &str) -> Arc<Stock> {
        self.log().load::<Stock>("main", &stock_id(name).to_string()).await.expect("loaded").state
    }

    /// Units on the shelf, set aside, over all SKUs.
    pub(crate) async fn shelf(&self) -> (u32, u32) {
        let mut all = (0, 0);
        for name in ["book", "workbook", "cards", "tea"] {
            let stock = self.stock(name).await;
            all = (all.0 + stock.on_hand, all.1 + stock.reserved());
        }
        all
    }

    /// Every event of the log.
    pub(crate) async fn events(&self) -> Vec<Recorded<AnyEvent>> {
        let (mut events, mut position) = (vec![], self.log().floor());
        loop {
            let page = self.log().read(position, 1_000).await.expect("readable");
            let Some(last) = page.last() else { return events };
            position = last.position;
            events.extend(page.into_iter().map(|event| decode(event).expect("known")));
        }
    }

    /// How many events of a type there are.
    pub(crate) async fn count(&self, event_type: &str) -> usize {
        self.events().await.iter().filter(|event| event.event_type == event_type).count()
    }

    /// The carrier tells itself that a parcel is somewhere else: whoever asks learns of it.
    pub(crate) async fn moved(&self, kit_id: KitId, whereabouts: &str) {
        let at = self.clock.now().to_rfc3339();
        self.carrier.track(&format!("main/{kit_id}"), whereabouts, &at, &[]).await;
    }
}

pub(crate) fn stock_id(name: &str) -> Uuid {
    stock::id_of("main", &sku(name))
}
