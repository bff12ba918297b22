//! Somebody who webhooks are sent to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use baeum_local_gateway::Webhook;
use baeum_stripe::{Event, Secret, WebhookError, Webhooks};
use tokio::{net::TcpListener, sync::watch};

use crate::world::START;

pub(crate) const SECRET: &str = "whsec_of_the_tests";

/// A delivery as it came.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) header: String,
    pub(crate) body: Bytes,
}

impl Delivery {
    pub(crate) fn verify(&self, secrets: &[&str], now: i64) -> Result<Event, WebhookError> {
        let endpoint = Webhooks::new(secrets.iter().map(|it| Secret::new(*it))).expect("an endpoint");
        endpoint.verify(&self.header, &self.body, now)
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    count: watch::Sender<usize>,
    /// How many it answers 500 before it takes one in.
    pub(crate) refuses: Arc<AtomicU32>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/webhooks", listener.local_addr().expect("an address"));
        let receiver = Self { url, deliveries: Arc::default(), count: watch::Sender::new(0), refuses: Arc::default() };
        let taking = receiver.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let taking = taking.clone();
            async move { taking.take(&headers, body) }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/webhooks", post(take))).await });
        receiver
    }

    fn take(&self, headers: &HeaderMap, body: Bytes) -> StatusCode {
        let header = headers["stripe-signature"].to_str().expect("text").to_owned();
        let refused = self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let delivery = Delivery { header, body };
        self.deliveries.lock().expect("nobody panicked").push(delivery);
        self.count.send_modify(|count| *count += 1);
        if refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
    }

    pub(crate) fn webhook(&self) -> Webhook {
        Webhook { url: self.url.clone(), secret: SECRET.to_owned(), retry: std::time::Duration::from_millis(1) }
    }

    /// Waits until so many have come.
    pub(crate) async fn came(&self, count: usize) {
        self.count.subscribe().wait_for(|it| *it >= count).await.expect("it runs");
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("nobody panicked").clone()
    }

    /// The events of the deliveries that are believed.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.deliveries().iter().filter_map(|it| it.verify(&[SECRET], START).ok()).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.events().into_iter().map(|it| it.kind).collect()
    }
}
