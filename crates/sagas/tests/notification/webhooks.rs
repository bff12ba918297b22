//! Webhooks: a partner system over HTTP that checks signatures, refuses, and comes back.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use baeum_commands::notification::{endpoint, webhook_deliveries};
use baeum_domain::{ids::WebhookId, notification::backoff};
use baeum_sagas::notification::webhook::sign;
use baeum_testing::eventually;
use chrono::TimeDelta;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::world::{World, admin};

/// A partner system.
#[derive(Clone)]
struct Partner {
    url: String,
    state: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    /// Id, timestamp, signature and body of each request.
    messages: Vec<(String, i64, String, String)>,
    /// What it answers next; 204 when there is nothing left to answer.
    answers: VecDeque<u16>,
}

impl Partner {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let partner = Self { url, state: Arc::default() };
        let router = Router::new().route("/hooks", post(Self::receive)).with_state(partner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        partner
    }

    fn state(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::unused_async, reason = "a handler is asynchronous")]
    async fn receive(State(partner): State<Self>, headers: HeaderMap, body: String) -> StatusCode {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let timestamp = header("webhook-timestamp").parse().unwrap_or_default();
        let mut state = partner.state();
        state.messages.push((header("webhook-id"), timestamp, header("webhook-signature"), body));
        StatusCode::from_u16(state.answers.pop_front().unwrap_or(204)).expect("a status")
    }
}

impl World {
    async fn webhook(&self, partner: &Partner, event_type: &str) -> (WebhookId, String) {
        let types = BTreeSet::from([event_type.to_owned()]);
        let created = self.commands.create_webhook(&admin(), &partner.url, types).await.expect("created");
        let id = created.answer.webhook_id;
        let endpoint = self.commands.webhook_endpoint("main", id).await.expect("readable").expect("there");
        (id, endpoint.secret)
    }

    async fn deliveries(&self, state: &str) -> Vec<webhook_deliveries::ListedDelivery> {
        let pool = &self.database.pool;
        webhook_deliveries::list(pool, "main", None, Some(state), (0, 100)).await.expect("a database")
    }

    async fn until_deliveries(&self, state: &str, count: usize, step: TimeDelta) {
        eventually(&format!("{count} deliveries are {state}"), || async {
            self.clock.advance(step);
            (self.deliveries(state).await.len() >= count).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_told_of_the_events_it_wants_signed_and_again_until_it_takes_them() {
    let (world, partner) = (World::create().await, Partner::start().await);
    world.learner().await;
    let (_, secret) = world.webhook(&partner, "UserRegistered").await;
    partner.state().answers.extend([500, 302]);
    world.dispatch(world.senders());
    let learner = world.learner().await;
    world.never_quiet(learner).await;
    world.until_deliveries("delivered", 1, TimeDelta::seconds(5)).await;
    world.at_rest().await;
    let messages = partner.state().messages.clone();
    assert_eq!(messages.len(), 3, "what was before the webhook, and other types, are not told: {messages:?}");
    for (id, timestamp, signature, body) in &messages {
        assert_eq!(id, &messages[0].0, "the id is the same in every attempt");
        assert_eq!(Some(signature), sign(&secret, id, *timestamp, body).as_ref());
        let told: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(told["type"], "UserRegistered");
        assert_eq!(told["data"]["event"]["user_id"], learner.to_string());
    }
    assert!(messages[1].1 > messages[0].1, "each attempt has its own time");
    assert_eq!(world.deliveries("delivered").await[0].attempts, 3);
    let all = format!("{:?}", world.log().read(0, 1_000).await.expect("readable"));
    assert!(!all.contains(&secret) && !all.contains(&partner.url), "secret and URL are sealed in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_partner_never_takes_is_given_up_and_replayed_by_an_operator() {
    let (world, partner) = (World::create().await, Partner::start().await);
    let (id, _) = world.webhook(&partner, "UserRegistered").await;
    partner.state().answers.extend(std::iter::repeat_n(503, backoff::LIMIT as usize));
    world.dispatch(world.senders());
    world.learner().await;
    world.until_deliveries("dead_lettered", 1, TimeDelta::hours(1)).await;
    let dead = world.deliveries("dead_lettered").await.remove(0);
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (10, Some("http-503")));
    world.commands.replay_webhook_delivery(&admin(), id, dead.position).await.expect("recorded");
    world.until_deliveries("delivered", 1, TimeDelta::zero()).await;
    assert_eq!(partner.state().messages.len(), 11);
    let again = world.commands.replay_webhook_delivery(&admin(), id, dead.position).await;
    assert!(again.expect_err("delivered").to_string().contains("was given up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_gone_is_not_asked_again_and_a_deleted_webhook_is_told_nothing_more() {
    let (world, partner) = (World::create().await, Partner::start().await);
    let (id, _) = world.webhook(&partner, "UserRegistered").await;
    partner.state().answers.push_back(410);
    world.dispatch(world.senders());
    world.learner().await;
    world.until_deliveries("dead_lettered", 1, TimeDelta::zero()).await;
    world.commands.delete_webhook(&admin(), id).await.expect("deleted");
    world.learner().await;
    world.at_rest().await;
    assert_eq!(partner.state().messages.len(), 1);
    assert!(world.deliveries("pending").await.is_empty() && world.deliveries("dead_lettered").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_whole_log_again_tells_nobody_twice() {
    let (world, partner) = (World::create().await, Partner::start().await);
    world.webhook(&partner, "UserRegistered").await;
    let first = world.dispatch(world.senders());
    let learner = world.learner().await;
    world.tell(learner, 1).await;
    world.until_deliveries("delivered", 1, TimeDelta::zero()).await;
    world.until("NotificationDelivered", "email", 1, TimeDelta::zero()).await;
    world.at_rest().await;
    first.abort();
    let _ = first.await;
    // As if neither position nor webhooks had been kept.
    let pool = &world.database.pool;
    sqlx::query("UPDATE notification_dispatch SET position = 0").execute(pool).await.expect("set back");
    sqlx::query("DELETE FROM webhook_routes").execute(pool).await.expect("deleted");
    world.dispatch(world.senders());
    world.at_rest().await;
    assert_eq!((partner.state().messages.len(), world.mail.mails().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_into_the_private_network_are_refused_unless_that_is_allowed() {
    let (world, partner) = (World::create().await, Partner::start().await);
    let strict = world.commands.clone().with_notifications(baeum_commands::notification::Settings::default());
    let types = || BTreeSet::from(["UserRegistered".to_owned()]);
    let refused = strict.create_webhook(&admin(), &partner.url, types()).await.expect_err("private");
    assert!(refused.to_string().contains("public internet"), "{refused}");
    assert!(endpoint::check(&partner.url, true).is_ok());
    // One that was made while it was allowed is not told once it no longer is.
    world.webhook(&partner, "UserRegistered").await;
    let sender = baeum_sagas::notification::webhook::WebhookSender::new(false).expect("a client");
    world.dispatch(baeum_sagas::notification::sender::Senders::new(sender));
    world.learner().await;
    world.until_deliveries("dead_lettered", 1, TimeDelta::zero()).await;
    assert_eq!(world.deliveries("dead_lettered").await[0].last_error.as_deref(), Some("address-not-public"));
    assert!(partner.state().messages.is_empty());
}
