//! Keeping projections in step with the log.
//!
//! Each projection has a worker in each process, so that one that stands still does not stop the others. The workers of
//! a projection share its partitions; when one is gone, the others take over where it stopped. What makes two owners of
//! a partition harmless is that its cursor moves by compare-and-set in the transaction of the effect.

mod members;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_domain::Recorded;
use baeum_eventlog::{EventLog, Feed, StoredPayload, lease::RENEW_EVERY};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::members::forget_members;
use self::members::{Membership, deal};
pub(crate) use self::members::{all as members, owner};
use crate::{
    Projection,
    cursor::{self, Standstill},
    fold::{Entry, Skips, Stretch},
    projection::Failure,
};

/// How many events are taken in in one transaction, at most.
pub(crate) const BATCH: usize = 200;
/// How long a worker waits for news before it looks after its membership.
const PATIENCE: Duration = Duration::from_secs(1);
/// The shortest and the longest pause before what failed is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The pause after another transaction stood in the way.
const CONTENTION: Duration = Duration::from_millis(20);

/// Runs a worker for each projection until `stop`. What cannot be done at the moment is tried again; an event that cannot
/// be taken in at all is left to the projection's [`crate::Policy`]. None is skipped.
pub async fn run(log: EventLog, registry: Vec<Arc<dyn Projection>>, stop: CancellationToken) {
    let member = log.clock().new_id();
    let mut workers = JoinSet::new();
    for projection in registry {
        workers.spawn(Worker::new(log.clone(), projection, member).run(stop.clone()));
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
    membership: Membership,
    feed: Feed,
    skips: Skips,
    /// Who works on the projection, as far as known.
    members: Vec<Uuid>,
    /// The partitions of this process, and how far they are.
    owned: BTreeMap<u32, i64>,
    renewed: Instant,
    pause: Duration,
    /// Whether the cursors are known to tell of no failure.
    settled: bool,
}

/// The partitions that are furthest behind.
struct Front {
    partitions: Vec<u32>,
    position: i64,
    /// Where the next ones are, which they must catch up with.
    others: Option<i64>,
}

impl Worker {
    fn new(log: EventLog, projection: Arc<dyn Projection>, member: Uuid) -> Self {
        let membership = Membership { pool: log.pool().clone(), projection: projection.name(), member };
        Self {
            feed: log.feed(),
            log,
            projection,
            membership,
            skips: Skips::default(),
            members: vec![],
            owned: BTreeMap::new(),
            renewed: Instant::now(),
            pause: PAUSES.0,
            settled: false,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let name = self.projection.name();
        while !stop.is_cancelled() {
            let Err(failure) = self.session(&stop).await else { continue };
            let pause = if failure.error.is_contention() {
                tracing::info!(projection = name, error = %failure.error, "another transaction stood in the way");
                CONTENTION
            } else {
                metrics::counter!("baeum_projection_errors_total", "projection" => name).increment(1);
                self.record(&failure).await;
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSES.1);
                pause
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        // A membership that cannot be ended ends by itself.
        let _ = self.membership.leave().await;
    }

    /// Takes events in until something fails.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        self.look_around().await?;
        self.reload().await?;
        loop {
            if self.renewed.elapsed() >= RENEW_EVERY && self.look_around().await? {
                self.reload().await?;
            }
            let Some(front) = self.front() else {
                tokio::select! {
                    () = sleep(RENEW_EVERY) => continue,
                    () = stop.cancelled() => return Ok(()),
                }
            };
            let stored = tokio::select! {
                stored = self.next(&front) => stored?,
                () = stop.cancelled() => return Ok(()),
            };
            if !self.take_in(&front, stored).await? {
                // Another worker or a rebuild has moved a cursor: go on from there.
                self.look_around().await?;
                self.reload().await?;
            }
            self.settle().await?;
        }
    }

    /// Says that this process lives; whether the partitions are dealt anew.
    async fn look_around(&mut self) -> Result<bool, sqlx::Error> {
        let members = self.membership.renew().await?;
        self.renewed = Instant::now();
        if members == self.members {
            return Ok(false);
        }
        self.members = members;
        Ok(true)
    }

    /// Reads how far the partitions of this process are.
    async fn reload(&mut self) -> Result<(), Failure> {
        let name = self.projection.name();
        self.skips = Skips::load(&self.log, name, i64::MAX).await?;
        let now = self.log.clock().now();
        let mut cursors = cursor::open(self.log.pool(), self.projection.as_ref(), now).await?;
        let dealt = deal(&self.members, self.membership.member, self.projection.order().partitions());
        cursors.retain(|partition, _| dealt.contains(partition));
        let (members, from) = (self.members.len(), cursors.values().min());
        tracing::info!(projection = name, members, partitions = ?dealt, from, "projecting");
        self.owned = cursors;
        self.settled = false;
        Ok(())
    }

    fn front(&self) -> Option<Front> {
        let position = *self.owned.values().min()?;
        let partitions = self.owned.iter().filter(|(_, it)| **it == position).map(|(partition, _)| *partition);
        let others = self.owned.values().filter(|it| **it > position).min().copied();
        Some(Front { partitions: partitions.collect(), position, others })
    }

    /// The events that the partitions furthest behind take in next.
    async fn next(&mut self, front: &Front) -> Result<Vec<Recorded<StoredPayload>>, Failure> {
        if let Some(others) = front.others {
            let mut stored = self.log.read(front.position, BATCH).await?;
            stored.retain(|event| event.position <= others);
            if !stored.is_empty() {
                return Ok(stored);
            }
        }
        Ok(self.feed.next(front.position, BATCH, PATIENCE).await?)
    }

    /// Takes events in; `false` when a cursor was elsewhere.
    async fn take_in(&mut self, front: &Front, stored: Vec<Recorded<StoredPayload>>) -> Result<bool, Failure> {
        let Front { partitions, position, .. } = front;
        let now = self.log.clock().now();
        let projection = self.projection.clone();
        let name = projection.name();
        let mut stretch = Stretch::prepare(projection.as_ref(), &self.skips, partitions, *position, stored);
        let advance = Advance { name, partitions, from: *position, now };
        let taken = stretch.take_in(self.log.pool(), now, &advance).await;
        if stretch.committed {
            let (end, count) = (stretch.end, u64::try_from(stretch.len()).unwrap_or(u64::MAX));
            self.owned.extend(partitions.iter().map(|partition| (*partition, end)));
            self.pause = PAUSES.0;
            metrics::counter!("baeum_projection_events_total", "projection" => name).increment(count);
        }
        taken
    }

    /// Takes a failure back that nothing is to blame for any more.
    async fn settle(&mut self) -> Result<(), Failure> {
        let Some(front) = self.front().filter(|it| !self.settled && it.others.is_none()) else { return Ok(()) };
        if self.log.head().await? <= front.position {
            let now = self.log.clock().now();
            let name = self.projection.name();
            cursor::recover(self.log.pool(), name, &front.partitions, front.position, now).await?;
            self.settled = true;
        }
        Ok(())
    }

    async fn record(&mut self, failure: &Failure) {
        let name = self.projection.name();
        let error = failure.error.to_string();
        tracing::error!(projection = name, position = failure.position, error, "a projection stands still");
        let Some(front) = self.front() else { return };
        let why = Standstill { error: &error, error_position: failure.position };
        let now = self.log.clock().now();
        let recorded = cursor::fail(self.log.pool(), name, &front.partitions, front.position, why, now).await;
        if let Err(error) = recorded {
            tracing::warn!(projection = name, %error, "the failure of a projection could not be recorded");
        }
    }
}

/// The cursors of a stretch move first.
struct Advance<'a> {
    name: &'static str,
    partitions: &'a [u32],
    from: i64,
    now: DateTime<Utc>,
}

impl Entry for Advance<'_> {
    fn enter<'a>(&'a self, db: &'a mut PgConnection, end: i64) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        Box::pin(cursor::advance(db, self.name, self.partitions, self.from, end, self.now))
    }
}
