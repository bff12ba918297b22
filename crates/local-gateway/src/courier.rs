//! Webhooks on their way: one after the other in the order in which things happened, unless trouble was asked for.
//! One that is not answered 2xx is sent again after a pause that doubles, without holding up the others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{event::Event, fault::Trouble, settings::Webhook, table::Row as _};

/// How often a delivery is tried, and its longest pause: with the pause of one second at first, for about two hours.
const TRIES: u32 = 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long the receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many deliveries are remembered.
const REMEMBERED: usize = 10_000;

/// Called when an event was taken in by its receiver.
pub(crate) type Delivered = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone)]
struct Parcel {
    event: String,
    kind: String,
    body: String,
    /// Whether it is a changed one under a wrong secret.
    forged: bool,
    tries: u32,
}

/// A delivery that was tried.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    event: String,
    #[serde(rename = "type")]
    kind: String,
    forged: bool,
    /// The status that the receiver answered; none if it did not.
    status: Option<u16>,
}

/// Gives deliveries to the task that makes them.
#[derive(Clone)]
pub(crate) struct Courier(Arc<Inner>);

struct Inner {
    webhook: Webhook,
    http: reqwest::Client,
    clock: crate::settings::Clock,
    late: Duration,
    queue: mpsc::UnboundedSender<Parcel>,
    /// Counts the times that late ones were let go.
    released: watch::Sender<u64>,
    /// How many are not yet at their end.
    open: watch::Sender<usize>,
    tried: Mutex<VecDeque<Delivery>>,
    delivered: Delivered,
    stop: CancellationToken,
}

impl Courier {
    pub(crate) fn start(
        webhook: Webhook,
        clock: crate::settings::Clock,
        late: Duration,
        delivered: Delivered,
        stop: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        let (queue, mut parcels) = mpsc::unbounded_channel();
        let (released, open) = (watch::Sender::new(0), watch::Sender::new(0));
        let tried = Mutex::default();
        let courier =
            Self(Arc::new(Inner { webhook, http, clock, late, queue, released, open, tried, delivered, stop }));
        tokio::spawn({
            let courier = courier.clone();
            async move {
                let stop = courier.0.stop.clone();
                while let Some(Some(parcel)) = stop.run_until_cancelled(parcels.recv()).await {
                    stop.run_until_cancelled(courier.deliver(parcel)).await;
                }
            }
        });
        Ok(courier)
    }

    /// Sends what happened together.
    pub(crate) fn send(&self, events: &[Event], trouble: Option<Trouble>) {
        let mut events: Vec<_> = events.iter().collect();
        if trouble == Some(Trouble::Reordered) {
            events.reverse();
        }
        for event in events {
            let body = event.json().to_string();
            let genuine = Parcel { event: event.id.clone(), kind: event.kind.clone(), body, forged: false, tries: 0 };
            match trouble {
                Some(Trouble::Lost) => {}
                Some(Trouble::Late) => self.later(genuine, self.0.late),
                Some(Trouble::Duplicated) => {
                    self.enqueue(genuine.clone());
                    self.enqueue(genuine);
                }
                Some(Trouble::Forged) => {
                    self.enqueue(forged(event));
                    self.enqueue(genuine);
                }
                Some(Trouble::Reordered) | None => self.enqueue(genuine),
            }
        }
    }

    /// Lets late ones go.
    pub(crate) fn release(&self) {
        self.0.released.send_modify(|times| *times += 1);
    }

    /// Lets late ones go, and waits until every delivery was taken in or given up.
    pub(crate) async fn settle(&self) {
        self.release();
        // The sender is in `self`, so it is not gone.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// What was tried, the oldest first.
    pub(crate) fn tried(&self) -> Vec<Delivery> {
        self.0.tried.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn enqueue(&self, parcel: Parcel) {
        self.0.open.send_modify(|open| *open += 1);
        self.queue(parcel);
    }

    fn queue(&self, parcel: Parcel) {
        // It fails only when the task has ended with the gateway.
        let _ = self.0.queue.send(parcel);
    }

    fn later(&self, parcel: Parcel, after: Duration) {
        self.0.open.send_modify(|open| *open += 1);
        self.after(parcel, after, self.0.released.subscribe());
    }

    fn after(&self, parcel: Parcel, after: Duration, mut released: watch::Receiver<u64>) {
        let courier = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = courier.0.stop.cancelled() => return,
                () = tokio::time::sleep(after) => {}
                _ = released.changed() => {}
            }
            courier.queue(parcel);
        });
    }

    async fn deliver(&self, parcel: Parcel) {
        // Subscribed before the try: a release in the meantime counts.
        let released = self.0.released.subscribe();
        let header = self.header(&parcel);
        let request = self.0.http.post(self.0.webhook.url.as_str()).header(CONTENT_TYPE, "application/json");
        let answer = request.header("Stripe-Signature", header).body(parcel.body.clone()).send().await;
        let status = answer.ok().map(|it| it.status());
        self.remember(&parcel, status.map(|it| it.as_u16()));
        let taken = status.is_some_and(|it| it.is_success());
        if taken && !parcel.forged {
            (self.0.delivered)(&parcel.event);
        }
        let parcel = Parcel { tries: parcel.tries + 1, ..parcel };
        // A forged one is to be refused, so once is enough.
        if taken || parcel.forged || parcel.tries >= TRIES {
            self.0.open.send_modify(|open| *open -= 1);
        } else {
            let pause = self.0.webhook.retry.saturating_mul(2_u32.saturating_pow(parcel.tries - 1)).min(LONGEST_PAUSE);
            self.after(parcel, pause, released);
        }
    }

    fn header(&self, parcel: &Parcel) -> String {
        let time = (self.0.clock)();
        let wrong = "whsec_of_somebody_else";
        let secret = if parcel.forged { wrong } else { &self.0.webhook.secret };
        format!("t={time},v1={}", signature(secret, time, &parcel.body))
    }

    fn remember(&self, parcel: &Parcel, status: Option<u16>) {
        let mut tried = self.0.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.len() == REMEMBERED {
            tried.pop_front();
        }
        let (event, kind) = (parcel.event.clone(), parcel.kind.clone());
        tried.push_back(Delivery { event, kind, forged: parcel.forged, status });
    }
}

/// The event as somebody else would like it: another id, and a greater amount.
fn forged(event: &Event) -> Parcel {
    let mut body = event.json();
    let id = format!("{}forged", event.id);
    body["id"] = id.clone().into();
    if let Some(amount) = body["data"]["object"]["amount"].as_i64() {
        body["data"]["object"]["amount"] = amount.saturating_mul(100).into();
    }
    Parcel { event: id, kind: event.kind.clone(), body: body.to_string(), forged: true, tries: 0 }
}

/// HMAC-SHA-256 of `<time>.<body>`, in hex (<https://docs.stripe.com/webhooks/signatures>).
fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
