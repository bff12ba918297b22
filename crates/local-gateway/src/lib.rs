//! A small payment gateway for tests and demonstrations: it speaks the part of Stripe's HTTP API that the client in
//! `crates/stripe` uses, over real HTTP, and can do everything wrong that a real one does. It moves no money.
//!
//! It keeps its books in memory and, if given a journal, in a file that lets a restart forget nothing. What goes wrong is
//! decided by the payment method that is charged, by a seeded plan, or by `/control/…`. `docs/local-gateway.md` is its
//! manual.

mod api;
mod bank;
mod books;
mod card;
mod charge;
mod control;
mod courier;
mod customer;
mod desk;
mod event;
mod fault;
mod form;
mod gateway;
mod journal;
mod line;
mod payment_intent;
mod payment_method;
mod problem;
mod refund;
mod search;
mod settings;
mod setup_intent;
mod table;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    books::{Books, Change},
    courier::Courier,
    gateway::{Gateway, State, lock},
    journal::Journal,
    line::{Line, Lines},
    settings::Hands,
};
pub use crate::{
    fault::{Fault, Plan, Trouble},
    journal::JournalError,
    settings::{Clock, Settings, Webhook},
};

/// How long requests may take to end when the gateway is stopped.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on: {1}; choose another address with --listen")]
    Listen(SocketAddr, io::Error),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Webhooks cannot be sent.
    #[error("webhooks cannot be sent: {0}")]
    Http(#[from] reqwest::Error),
}

/// A gateway that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct LocalGateway {
    address: SocketAddr,
    url: String,
    state: Closing,
    stop: CancellationToken,
    served: JoinHandle<io::Result<()>>,
}

struct Closing(Arc<Mutex<State>>);

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl LocalGateway {
    /// Starts a gateway, and sends the webhooks that are still due by its journal.
    ///
    /// # Errors
    /// When the address or the journal cannot be used.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        let hands = Hands::default();
        settings.clock = hands.over(settings.clock);
        let (journal, books, instance) = match &settings.journal {
            Some(path) => {
                let (journal, books, instance) = Journal::open(path, settings.instance.clone())?;
                (Some(journal), books, instance)
            }
            None => (None, Books::default(), settings.instance.clone()),
        };
        let listen = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let stop = CancellationToken::new();
        let due: Vec<_> = books.events.all().filter(|it| it.due).cloned().collect();
        let state = Arc::new(Mutex::new(State::new(books, journal)));
        let courier = courier(&settings, &state, &stop)?;
        if let Some(courier) = &courier {
            courier.send(&due, None);
        }
        let gateway = Gateway::new(settings, url.clone(), instance, Arc::clone(&state), courier, hands, stop.clone());
        let gateway = Arc::new(gateway);
        let named = Arc::clone(&gateway);
        let router = api::routes().merge(bank::routes()).merge(control::routes()).with_state(gateway);
        let router = router.layer(axum::middleware::map_response(move |response| {
            let named = Arc::clone(&named);
            async move { named.name(response) }
        }));
        let service = router.into_make_service_with_connect_info::<Line>();
        let serving = axum::serve(Lines(listener), service).with_graceful_shutdown(stop.clone().cancelled_owned());
        let served = tokio::spawn(async move { serving.await });
        Ok(Self { address, url, state: Closing(state), stop, served })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is reached, such as `http://127.0.0.1:8090`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it: what it works on is finished, held requests are not begun, and its journal can be opened again.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(FAREWELL, &mut self.served).await.is_err() {
            self.served.abort();
        }
        lock(&self.state.0).close();
    }
}

impl Drop for LocalGateway {
    fn drop(&mut self) {
        self.stop.cancel();
        lock(&self.state.0).close();
    }
}

fn courier(
    settings: &Settings,
    state: &Arc<Mutex<State>>,
    stop: &CancellationToken,
) -> Result<Option<Courier>, reqwest::Error> {
    let Some(webhook) = settings.webhook.clone() else { return Ok(None) };
    let state = Arc::clone(state);
    let delivered = move |id: &str| {
        let mut state = lock(&state);
        if let Some(event) = state.books.events.get(id).filter(|it| it.due).cloned() {
            // Were it not written, the event would be sent once more after a restart.
            let _ = state.put(Change::Event(event::Event { due: false, ..event }));
        }
    };
    Courier::start(webhook, Arc::clone(&settings.clock), settings.late, Arc::new(delivered), stop.clone()).map(Some)
}
