//! Keeping projections in step with the log.
//!
//! Each projection has a task of its own, so that one that stands still does not stop the others. In each process there
//! is a worker for each projection; by lease, one of them is active. The lease only spares work: what makes two workers
//! harmless is that the cursor moves by compare-and-set in the transaction of the effect.

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_domain::position::number;
use baeum_eventlog::{
    EventLog, Feed,
    lease::{Lease, RENEW_EVERY},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Projection, cursor,
    projection::{Failure, Page, apply_all, page},
};

/// How many events are taken in in one transaction, at most.
pub(crate) const BATCH: usize = 200;
/// How long a worker waits for news before it looks after its lease.
const PATIENCE: Duration = Duration::from_secs(1);
/// The shortest and the longest pause before a failed event is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Runs a worker for each projection until `stop`. An event that cannot be taken in is tried again, never skipped.
pub async fn run(log: EventLog, registry: Vec<Arc<dyn Projection>>, stop: CancellationToken) {
    let holder = log.clock().new_id();
    let mut workers = JoinSet::new();
    for projection in registry {
        let lease = Lease::new(log.pool().clone(), format!("projection:{}", projection.name()), holder);
        let feed = log.feed();
        let worker = Worker { log: log.clone(), projection, lease, feed, position: 0, pause: PAUSES.0, settled: false };
        workers.spawn(worker.run(stop.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a projection worker ended before its time; restart the process");
        }
    }
}

struct Worker {
    log: EventLog,
    projection: Arc<dyn Projection>,
    lease: Lease,
    feed: Feed,
    position: i64,
    pause: Duration,
    /// Whether the cursor is known to tell of no failure.
    settled: bool,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        let name = self.projection.name();
        while !stop.is_cancelled() {
            if let Err(failure) = self.session(&stop).await {
                metrics::counter!("baeum_projection_errors_total", "projection" => name).increment(1);
                self.record(&failure).await;
                tokio::select! {
                    () = tokio::time::sleep(self.pause) => {}
                    () = stop.cancelled() => {}
                }
                self.pause = (self.pause * 2).min(PAUSES.1);
            }
        }
        // A lease that cannot be given back ends by itself.
        let _ = self.lease.release().await;
    }

    /// Takes events in for as long as the lease is held.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        while !self.lease.hold().await? {
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
        let mut renewed = Instant::now();
        let name = self.projection.name();
        self.position = cursor::open(self.log.pool(), name, self.log.clock().now()).await?;
        tracing::info!(projection = name, position = self.position, "projecting");
        loop {
            if renewed.elapsed() >= RENEW_EVERY {
                if !self.lease.hold().await? {
                    return Ok(());
                }
                renewed = Instant::now();
            }
            let stored = tokio::select! {
                stored = self.feed.next(self.position, BATCH, PATIENCE) => stored?,
                () = stop.cancelled() => return Ok(()),
            };
            let page = page(self.projection.as_ref(), self.position, stored);
            self.take_in(page).await?;
            self.settle().await?;
            let lag = (*self.log.watch_head().borrow() - self.position).max(0);
            let labels = [("projection", name.to_owned()), ("shard", self.log.shard().to_string())];
            metrics::gauge!("baeum_projection_position", &labels).set(approximate(number(self.position)));
            metrics::gauge!("baeum_projection_lag", &labels).set(approximate(lag));
        }
    }

    /// Takes a failure back that no event is to blame for any more.
    async fn settle(&mut self) -> Result<(), Failure> {
        if !self.settled && self.log.head().await? <= self.position {
            let now = self.log.clock().now();
            cursor::recover(self.log.pool(), self.projection.name(), self.position, now).await?;
            self.settled = true;
        }
        Ok(())
    }

    /// Takes a page in, at least as far as it is good.
    async fn take_in(&mut self, mut page: Page) -> Result<(), Failure> {
        let (good, failure) = match self.commit(&page).await {
            Ok(committed) => (committed, page.stopped),
            // What stands before the event to blame is good, and is kept.
            Err(failure) => match failure.position {
                Some(bad) => {
                    page.events.retain(|event| event.position < bad);
                    page.end = bad - 1;
                    (self.commit(&page).await?, Some(failure))
                }
                None => return Err(failure),
            },
        };
        match failure {
            Some(failure) if good => Err(failure),
            _ => Ok(()),
        }
    }

    /// Moves the cursor and applies the events of a page, in one transaction; `false` when the cursor was elsewhere.
    async fn commit(&mut self, page: &Page) -> Result<bool, Failure> {
        if page.end <= self.position {
            return Ok(true);
        }
        let name = self.projection.name();
        let mut transaction = self.log.pool().begin().await?;
        let now = self.log.clock().now();
        if !cursor::advance(&mut transaction, name, self.position, page.end, now).await? {
            transaction.rollback().await?;
            // Another worker or a rebuild has moved it: go on from there.
            self.position = cursor::open(self.log.pool(), name, now).await?;
            return Ok(false);
        }
        match apply_all(self.projection.as_ref(), &mut transaction, &page.events).await {
            Ok(()) => transaction.commit().await?,
            Err(failure) => {
                // The connection rolls back in any case before it serves anyone else.
                let _ = transaction.rollback().await;
                return Err(failure);
            }
        }
        let count = u64::try_from(page.events.len()).unwrap_or(u64::MAX);
        metrics::counter!("baeum_projection_events_total", "projection" => name).increment(count);
        self.position = page.end;
        self.pause = PAUSES.0;
        Ok(true)
    }

    async fn record(&mut self, failure: &Failure) {
        self.settled = false;
        let name = self.projection.name();
        let error = failure.error.to_string();
        tracing::error!(projection = name, position = failure.position, error, "a projection stands still");
        let now = self.log.clock().now();
        let recorded = cursor::fail(self.log.pool(), name, self.position, &error, failure.position, now).await;
        if let Err(error) = recorded {
            tracing::warn!(projection = name, %error, "the failure of a projection could not be recorded");
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(count: i64) -> f64 {
    count as f64
}
