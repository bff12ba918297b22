//! The relay: carries the log to the stream of the broker, each position once and in order.
//!
//! One relay is active at a time, by lease; but a lease cannot stop a process that stalls and wakes up later. So every
//! publish says after which message of the stream it belongs, and the broker refuses it anywhere else. A relay asks
//! the stream where it stands when it starts and whenever it was refused, and goes on from there.

mod lag;
mod message;
mod position;
mod publish;
mod read_ahead;
mod tip;

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    lag::{Lag, lag, watch_lag},
    message::{PARTITIONS, partition},
};
use self::{position::StoredPosition, tip::Tip};
use crate::{
    EventLog,
    error::LogError,
    lease::{Lease, RENEW_EVERY},
    nats::Broker,
};

/// How often a relay that waits for its turn asks for the lease.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often the position is stored, at most.
const STORE_EVERY: Duration = Duration::from_millis(100);
/// Shortest and longest pause after an interruption.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Why a relay no longer goes on as it did.
enum Ended {
    /// The process is to end.
    Stopped,
    /// Another relay has the lease, or the stored position.
    Replaced,
    /// The stream is not where it should be: emptied, or someone else published into it.
    Moved,
    /// The database or the broker failed.
    Failed(LogError),
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Relays until `stop`. What fails is tried again; nothing is skipped.
pub async fn run(log: EventLog, broker: Broker, stop: CancellationToken) {
    let lease = Lease::new(log.pool.clone(), format!("relay:{}", broker.stream), log.clock.new_id());
    let relay = Relay { log, broker, lease };
    let mut pause = PAUSES.0;
    while !stop.is_cancelled() {
        let (ended, progress) = tokio::select! {
            ended = relay.session(&stop) => ended,
            // In the middle of asking a server that does not answer.
            () = async { stop.cancelled().await; sleep(PAUSES.1).await } => break,
        };
        pause = if progress { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        match ended {
            Ended::Stopped => break,
            Ended::Replaced => tracing::info!("another relay has taken over"),
            Ended::Moved => {
                metrics::counter!("baeum_relay_resynchronised_total").increment(1);
                tracing::info!("the stream is not where this relay left it; asking where it is");
            }
            Ended::Failed(error) => {
                metrics::counter!("baeum_relay_errors_total").increment(1);
                tracing::warn!(%error, "the relay was interrupted and tries again");
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => break,
        }
    }
    let _ = timeout(PAUSES.1, relay.lease.release()).await;
}

struct Relay {
    log: EventLog,
    broker: Broker,
    lease: Lease,
}

impl Relay {
    /// Relays for as long as the lease is held and nothing fails; also tells whether it relayed anything.
    async fn session(&self, stop: &CancellationToken) -> (Ended, bool) {
        let epoch = tokio::select! {
            epoch = self.turn() => epoch,
            () = stop.cancelled() => return (Ended::Stopped, false),
        };
        let epoch = match epoch {
            Ok(epoch) => epoch,
            Err(error) => return (error.into(), false),
        };
        let stored = StoredPosition { pool: &self.log.pool, stream: &self.broker.stream, epoch };
        let tip = match self.start(&stored).await {
            Ok(tip) => tip,
            Err(ended) => return (ended, false),
        };
        tracing::info!(stream = self.broker.stream, position = tip.position, epoch, "relaying");
        let (acknowledged, news) = watch::channel(tip);
        let (pages, ready) = mpsc::channel(1);
        let ended = tokio::select! {
            ended = publish::run(&self.broker, tip, ready, &acknowledged) => ended,
            error = read_ahead::run(&self.log, &self.broker, tip, pages) => Ended::Failed(error),
            ended = self.keep_lease(epoch) => ended,
            ended = keep_position(&stored, news) => ended,
            () = stop.cancelled() => Ended::Stopped,
        };
        let reached = *acknowledged.borrow();
        if !matches!(ended, Ended::Replaced) {
            let _ = timeout(PAUSES.1, stored.store(reached)).await;
        }
        (ended, reached != tip)
    }

    /// Waits for the lease.
    async fn turn(&self) -> Result<i64, LogError> {
        loop {
            if let Some(epoch) = self.lease.epoch().await? {
                return Ok(epoch);
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Finds out where to go on.
    async fn start(&self, stored: &StoredPosition<'_>) -> Result<Tip, Ended> {
        let Some(remembered) = stored.claim().await? else {
            self.lease.release().await?;
            return Err(Ended::Replaced);
        };
        self.broker.ensure_stream().await?;
        self.log.head().await?;
        let tip = tip::find(&self.log.pool, &self.broker, remembered).await?;
        if stored.store(tip).await? { Ok(tip) } else { Err(Ended::Replaced) }
    }

    async fn keep_lease(&self, epoch: i64) -> Ended {
        loop {
            sleep(RENEW_EVERY).await;
            match self.lease.epoch().await {
                Ok(held) if held == Some(epoch) => {}
                Ok(_) => return Ended::Replaced,
                Err(error) => return error.into(),
            }
        }
    }
}

/// Stores what the broker has acknowledged, not too often.
async fn keep_position(stored: &StoredPosition<'_>, mut acknowledged: watch::Receiver<Tip>) -> Ended {
    while acknowledged.changed().await.is_ok() {
        let reached = *acknowledged.borrow_and_update();
        match stored.store(reached).await {
            Ok(true) => {}
            Ok(false) => return Ended::Replaced,
            Err(error) => return error.into(),
        }
        sleep(STORE_EVERY).await;
    }
    Ended::Stopped
}
