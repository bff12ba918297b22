//! A platform in a database of its own: commands, processes, the dispatcher, and a clock that is moved by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use baeum_commands::{
    Caller, CommandContext, Commands, EventFilter, IdempotencyKey, Ports, Request,
    identity::register::Registration,
    keys::{KeyRing, SecretKey},
    notification::{Settings, request::NotificationRequest},
};
use baeum_domain::{
    catalog::Catalog,
    identity::user::{Role, samples},
    ids::{NotificationId, UserId},
    learning::evaluation::{Answer, Evaluator, EvaluatorError, OneModel, Verdict},
    notification::{
        channel::Channel,
        notification::{Cause, Notification},
        preferences::Preferences,
        template::LEVEL_ASSESSED,
    },
};
use baeum_eventlog::{EventLog, Options};
use baeum_ml::{
    assessment::adaptive_test::CatalogTest, learning::planner::CatalogPlanner,
    recommendation::bandit_recommender::BanditRecommender, review::fsrs_scheduler::FsrsScheduler,
};
use baeum_sagas::notification::{dispatcher, email::EmailSender, sender::Senders, webhook::WebhookSender};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, eventually, new_id};
use chrono::TimeDelta;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::smtp::MailServer;

pub(crate) struct World {
    pub(crate) commands: Commands,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) database: TestDatabase,
    pub(crate) mail: MailServer,
    /// Every process and dispatcher that was started, stopped at the end.
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

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
    let names = [
        "titles.toml",
        "clips/b1.toml",
        "items/b1.toml",
        "notifications/en/billing.toml",
        "notifications/en/learning.toml",
        "notifications/ko/billing.toml",
        "notifications/ko/learning.toml",
    ];
    let files = names.map(|name| (name, fs::read_to_string(root.join(name)).expect("the catalogue is there")));
    Catalog::parse(files.iter().map(|(name, text)| (*name, text.as_str()))).expect("the catalogue is sound")
}

fn keys() -> Arc<KeyRing> {
    let key = |byte| SecretKey::from([byte; 32]);
    Arc::new(KeyRing::new(vec![("test".into(), key(1))], key(2), Arc::new(TestEntropy::default())))
}

/// A request of somebody with a role.
pub(crate) fn request(user_id: UserId, role: Role) -> Request {
    Request {
        caller: Caller { tenant: "main".into(), user_id, roles: BTreeSet::from([role]) },
        idempotency: None,
        expected_sequence: None,
        correlation_id: new_id(),
    }
}

/// A request of an administrator.
pub(crate) fn admin() -> Request {
    request(UserId(Uuid::nil()), Role::Admin)
}

impl World {
    /// At six in the evening in Seoul.
    pub(crate) async fn create() -> Self {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let catalog = Arc::new(catalog());
        let ports = Ports {
            test: Arc::new(CatalogTest::new(&catalog)),
            planner: Arc::new(CatalogPlanner::new(catalog.clone())),
            recommender: Arc::new(BanditRecommender::new(catalog.clone())),
            scheduler: Arc::new(FsrsScheduler),
            listener: None,
            evaluators: Arc::new(OneModel::direct(Arc::new(NoEvaluator))),
            entropy: Arc::new(TestEntropy::default()),
            keys: keys(),
            catalog,
        };
        let settings = Settings {
            channels: BTreeSet::from([Channel::InApp, Channel::Email]),
            public_url: Some("https://learn.example.org".into()),
            private_webhooks: true,
        };
        let commands = Commands::new(log, ports).with_notifications(settings);
        Self { commands, clock, database, mail: MailServer::start().await, stop: CancellationToken::new() }
    }

    pub(crate) fn log(&self) -> &EventLog {
        self.commands.log()
    }

    pub(crate) fn senders(&self) -> Senders {
        let email = EmailSender::new(&self.mail.url, "Baeum <no-reply@example.org>").expect("a mail server");
        Senders::new(WebhookSender::new(true).expect("a client")).with(Channel::Email, email)
    }

    /// Starts a dispatcher. What it is given back ends it as a crash would.
    pub(crate) fn dispatch(&self, senders: Senders) -> JoinHandle<()> {
        tokio::spawn(dispatcher::run(self.commands.clone(), senders, self.stop.clone()))
    }

    pub(crate) fn start_processes(&self) {
        tokio::spawn(baeum_sagas::run(self.commands.clone(), baeum_sagas::registry(), self.stop.clone()));
    }

    pub(crate) async fn learner(&self) -> UserId {
        let registration = Registration {
            email: format!("{}@example.org", new_id().simple()),
            password: "correct horse battery".into(),
            display_name: "Mina".into(),
            preferences: samples::preferences(),
            roles: BTreeSet::from([Role::Learner]),
        };
        let nobody = request(UserId(Uuid::nil()), Role::Learner);
        self.commands.register(&nobody, registration).await.expect("registered").answer.user_id
    }

    pub(crate) async fn never_quiet(&self, user: UserId) {
        let preferences = Preferences { channels: BTreeMap::new(), quiet_hours: None };
        let request = request(user, Role::Learner);
        self.commands.set_notification_preferences(&request, user, preferences).await.expect("set");
    }

    /// Has somebody told of a level test, which is cause number `cause`.
    pub(crate) async fn tell(&self, learner_id: UserId, cause: u128) -> NotificationId {
        let request = NotificationRequest {
            learner_id,
            cause: Cause { event_id: Uuid::from_u128(cause), event_type: "LevelAssessed".into(), position: 1 },
            at: self.log().clock().now(),
            template: LEVEL_ASSESSED.template(),
            parameters: [("level".to_owned(), "B1".to_owned())].into(),
            days: BTreeMap::new(),
            not_before: None,
        };
        self.commands.request_notification(&self.context(), &request).await.expect("requested");
        request.notification_id()
    }

    /// The context of a command that nobody has sent before.
    pub(crate) fn context(&self) -> CommandContext {
        let request = Request {
            idempotency: Some(IdempotencyKey { key: new_id().to_string(), fingerprint: "test".into() }),
            ..admin()
        };
        request.context(self.log().clock().as_ref())
    }

    pub(crate) async fn notification(&self, id: NotificationId) -> Arc<Notification> {
        self.log().load::<Notification>("main", &id.to_string()).await.expect("readable").state
    }

    /// The bodies of all events of a type.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<Value> {
        let filter = EventFilter { event_type: Some(event_type.into()), ..EventFilter::default() };
        let events = self.log().read_filtered(0, 1_000, &filter).await.expect("readable").0;
        events.into_iter().map(|event| event.payload[event_type].clone()).collect()
    }

    /// Waits for so many events of a type that are of a channel, while time goes on by `step` with each look.
    pub(crate) async fn until(&self, event_type: &str, channel: &str, count: usize, step: TimeDelta) {
        let what = format!("{count} {event_type} by {channel}");
        eventually(&what, || async {
            self.clock.advance(step);
            let events = self.events(event_type).await;
            let of_channel = events.iter().filter(|it| it["channel"] == channel).count();
            (of_channel >= count).then_some(())
        })
        .await;
    }

    /// Waits until the dispatcher has taken in the whole log and nothing is due.
    pub(crate) async fn at_rest(&self) {
        eventually("the dispatcher is at rest", || async {
            let head = self.log().head().await.ok()?;
            let now = self.log().clock().now();
            let (position, due): (i64, i64) = sqlx::query_as(
                "SELECT (SELECT position FROM notification_dispatch),
                        (SELECT count(*) FROM notification_timers WHERE not_before <= $1)
                        + (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending' AND next_attempt_at <= $1)",
            )
            .bind(now)
            .fetch_one(&self.database.pool)
            .await
            .ok()?;
            (position == head && due == 0).then_some(())
        })
        .await;
    }
}
