//! A small carrier for tests and demonstrations: it speaks the API that `crates/carrier` uses, over real HTTP, and can do
//! what goes wrong with a real one: answers that are lost, errors, refusals; messages that come twice, late, in another
//! order or forged. It takes no parcel anywhere.
//!
//! ```text
//! POST /v1/shipments                 as carriers have it; the same Idempotency-Key is the same shipment
//! GET  /v1/shipments?reference=…
//! POST /control/next       {"faults": ["lost_answer", "error", "refuse"]}       what becomes of the next parcels
//! POST /control/track      {"reference": …, "whereabouts": "delivered", "at": …, "messages": ["genuine", "forged"]}
//! GET  /control/shipments                                                        what it has taken, with addresses
//! ```

mod api;
mod desk;

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use desk::{Fault, Message, Shipment};

use crate::desk::Desk;

/// Tells the time in seconds since 1970: messages are signed with it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Where messages go.
#[derive(Clone)]
pub struct Receiver {
    /// The address that they are posted to.
    pub url: String,
    /// The secret that they are signed with.
    pub secret: String,
}

/// What a carrier is started with.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// The key that its clients show.
    pub key: String,
    /// Where messages go, if anywhere.
    pub receiver: Option<Receiver>,
    /// Tells the time.
    pub clock: Clock,
}

/// Why a carrier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on: {1}; choose another address with --listen")]
    Listen(SocketAddr, io::Error),
    /// Messages cannot be sent.
    #[error("messages cannot be sent: {0}")]
    Http(#[from] reqwest::Error),
}

/// A carrier that runs until it is stopped or dropped.
pub struct LocalCarrier {
    url: String,
    desk: Arc<Desk>,
    stop: CancellationToken,
    served: JoinHandle<io::Result<()>>,
}

impl LocalCarrier {
    /// Starts a carrier.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let listen = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(listen)?);
        let desk = Arc::new(Desk::new(settings)?);
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, api::router(desk.clone()));
        let serving = serving.with_graceful_shutdown(stop.clone().cancelled_owned());
        let served = tokio::spawn(async move { serving.await });
        Ok(Self { url, desk, stop, served })
    }

    /// Where it is reached, such as `http://127.0.0.1:8091`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What becomes of the next parcels, one fault each.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.desk.plan(faults);
    }

    /// A parcel is somewhere else, and its sender is told so, once a message. Gives the statuses that were answered; 0 for
    /// no answer.
    pub async fn track(&self, reference: &str, whereabouts: &str, at: &str, messages: &[Message]) -> Vec<u16> {
        self.desk.track(reference, whereabouts, at, messages).await
    }

    /// What it has taken.
    pub fn shipments(&self) -> Vec<Shipment> {
        self.desk.shipments()
    }

    /// Ends it once what it works on is done.
    ///
    /// # Errors
    /// When it had ended badly.
    pub async fn stop(self) -> io::Result<()> {
        self.stop.cancel();
        self.served.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
