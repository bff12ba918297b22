//! What a gateway is started with.

use std::{
    fmt::{self, Debug, Formatter},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Tells the time, in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of a gateway: the given one, until it is made to stand.
#[derive(Clone, Default)]
pub(crate) struct Hands(Arc<std::sync::Mutex<Option<i64>>>);

impl Hands {
    /// Has the clock stand at a moment from now on.
    pub(crate) fn stand_at(&self, moment: i64) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(moment);
    }

    /// `clock`, while it is not made to stand.
    pub(crate) fn over(&self, clock: Clock) -> Clock {
        let hands = self.clone();
        Arc::new(move || {
            let standing = *hands.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            standing.unwrap_or_else(|| clock())
        })
    }
}

/// Whom webhooks go to.
#[derive(Clone)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// What they are signed with.
    pub secret: String,
    /// The pause before a delivery that failed is tried again, doubled each time.
    pub retry: Duration,
}

impl Debug for Webhook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// What a gateway is started with.
#[derive(Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where clients and browsers reach it, if not at that address.
    pub public_url: Option<String>,
    /// Whom to send webhooks to, if anybody.
    pub webhook: Option<Webhook>,
    /// The file that lets a restart forget nothing.
    pub journal: Option<PathBuf>,
    /// What the ids depend on: two gateways with the same one give out the same ids. A journal that was begun keeps its
    /// own.
    pub instance: String,
    /// The seed of a plan that has none.
    pub seed: u64,
    /// The delay of slow answers.
    pub slow: Duration,
    /// The delay of late webhooks.
    pub late: Duration,
    /// The time.
    pub clock: Clock,
}

impl Settings {
    /// A gateway on a free port of this machine that keeps nothing and tells nobody.
    pub fn new(clock: Clock, instance: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            webhook: None,
            journal: None,
            instance: instance.into(),
            seed: 0,
            slow: Duration::from_secs(3),
            late: Duration::from_secs(30),
            clock,
        }
    }
}
