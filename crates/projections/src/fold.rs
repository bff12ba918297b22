//! How a stretch of the log goes into the tables of a projection: the one way, for workers and for rebuilds.
//!
//! A stretch is taken in in one transaction. Where an event cannot be taken in, now or later, the transaction is rolled
//! back and tried again without it: its key is parked, later events of that key wait, and all others go on. A projection
//! that halts instead takes in what stands before the event.
//!
//! Operators' deeds about parked streams stand in the log too ([`baeum_domain::operations`]), and are done here, at
//! their place: so that a projection derived again comes out the same.

use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
};

use baeum_domain::{
    AnyEvent, Decider as _, Recorded,
    ids::UserId,
    operations::parked_stream::{Event as Deed, ParkedStream},
};
use baeum_eventlog::{Erased, EventLog, LogError, StoredPayload, begin, read_at};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use sqlx::{PgConnection, PgPool};

use crate::{Policy, Projection, ProjectionError, forget, order::Stored, parking, projection::Failure};

/// How many waiting events are read at once.
const HELD: i64 = 200;

/// What no derivation of a projection takes in: positions that an operator has had skipped, and events about people who
/// were forgotten.
#[derive(Clone, Default)]
pub(crate) struct Skips {
    positions: HashSet<i64>,
    erased: Erased,
}

impl Skips {
    /// Those that were decided on up to a position.
    pub(crate) async fn load(log: &EventLog, projection: &str, up_to: i64) -> Result<Self, LogError> {
        let deeds = log.read_aggregates(ParkedStream::AGGREGATE).await?;
        Self::of(log, deeds.into_iter().filter(|deed| deed.position <= up_to), projection)
    }

    /// Those among these events.
    pub(crate) fn of<P: Stored>(
        log: &EventLog,
        deeds: impl Iterator<Item = Recorded<P>>,
        projection: &str,
    ) -> Result<Self, LogError> {
        let mut positions = HashSet::new();
        for event in deeds {
            if event.payload.field("projection").as_deref() != Some(projection) {
                continue;
            }
            if let AnyEvent::ParkedStream(Deed::ParkedEventSkipped { position, .. }) = Stored::decode(event)?.payload {
                positions.insert(position);
            }
        }
        Ok(Self { positions, erased: log.erased().clone() })
    }

    /// Whether a projection must go on without this event.
    fn has<P: Stored>(&self, projection: &dyn Projection, event: &Recorded<P>) -> bool {
        self.positions.contains(&event.position)
            || forget::is_personal(projection) && self.erased.concerns(event, Stored::field)
    }

    /// The positions.
    pub(crate) fn positions(&self) -> impl Iterator<Item = i64> {
        self.positions.iter().copied()
    }
}

/// What every transaction of a stretch begins with: moving a cursor, or choosing the tables.
pub(crate) trait Entry: Sync {
    /// `false` when the stretch, which ends at `end`, is not to be taken in after all.
    fn enter<'a>(&'a self, db: &'a mut PgConnection, end: i64) -> BoxFuture<'a, Result<bool, sqlx::Error>>;
}

/// A stretch of the log as one projection sees it.
pub(crate) struct Stretch<'a> {
    projection: &'a dyn Projection,
    skips: &'a Skips,
    steps: Vec<Step>,
    /// The events of the steps, in order.
    events: Vec<Recorded<AnyEvent>>,
    /// The position after which it begins.
    start: i64,
    /// The position up to which it goes.
    pub(crate) end: i64,
    /// Whether it has been taken in, up to `end`.
    pub(crate) committed: bool,
    /// Events that cannot be taken in, and why.
    bad: BTreeMap<i64, String>,
    /// Whether events are taken in one by one, to find the one to blame.
    one_by_one: bool,
    /// What is to be told once the events before it are taken in.
    stopped: Option<Failure>,
}

struct Step {
    position: i64,
    key: String,
    what: What,
}

enum What {
    /// Take in the event of this index.
    Event(usize),
    /// It is known to be bad.
    Unreadable,
    /// Try the parked stream again.
    Retry,
    /// Go on without the event at this position.
    Skip(i64),
    /// Remove the rows of this person.
    Forget(UserId),
}

/// What came of an operator's deed.
enum Intervention {
    /// The stream is not parked any more.
    GoesOn,
    /// It stands still at this position now.
    Parked(i64),
    /// There was nothing to do.
    Nothing,
}

/// An event as one projection sees it.
pub(crate) struct Seen {
    position: i64,
    key: String,
    pub(crate) partition: u32,
    what: Sight,
}

enum Sight {
    Event(Box<Recorded<AnyEvent>>),
    Unreadable(LogError),
    /// What an operator wants cannot be read.
    UnreadableDeed(LogError),
    Retry,
    Skip(i64),
    Forget(UserId),
}

/// Looks at a stored event, and adds to `seen` what it is to a projection in partitions that are `wanted`.
pub(crate) fn see<P: Stored>(
    projection: &dyn Projection,
    skips: &Skips,
    event: Recorded<P>,
    wanted: impl Fn(u32) -> bool,
    seen: &mut Vec<Seen>,
) {
    let (position, order) = (event.position, projection.order());
    seen.extend(see_deed(projection, &event, &wanted));
    if let Some(subject) = skips.erased.meet(&event) {
        // Whichever partition comes last to here removes the last row of theirs.
        let forget = |partition| Seen { position, key: subject.to_string(), partition, what: Sight::Forget(subject) };
        seen.extend((0..order.partitions()).filter(|it| wanted(*it)).map(forget));
    }
    if !projection.reads(&event.aggregate_type) || skips.has(projection, &event) {
        return;
    }
    let key = order.key(&event).into_owned();
    let partition = order.partition(&key);
    if wanted(partition) {
        let what = Stored::decode(event).map_or_else(Sight::Unreadable, |event| Sight::Event(Box::new(event)));
        seen.push(Seen { position, key, partition, what });
    }
}

/// What an operator wants, where it is about this projection.
fn see_deed<P: Stored>(projection: &dyn Projection, event: &Recorded<P>, wanted: impl Fn(u32) -> bool) -> Option<Seen> {
    if event.aggregate_type != ParkedStream::AGGREGATE
        || event.payload.field("projection").as_deref() != Some(projection.name())
    {
        return None;
    }
    let key = event.payload.field("key")?.into_owned();
    let partition = projection.order().partition(&key);
    let what = match Stored::decode(event.clone()).map(|event| event.payload) {
        Ok(AnyEvent::ParkedStream(Deed::ParkedStreamRetried { .. })) => Sight::Retry,
        Ok(AnyEvent::ParkedStream(Deed::ParkedEventSkipped { position, .. })) => Sight::Skip(position),
        Ok(_) => return None,
        Err(error) => Sight::UnreadableDeed(error),
    };
    wanted(partition).then_some(Seen { position: event.position, key, partition, what })
}

impl<'a> Stretch<'a> {
    /// Reads the events after `position` that are of these partitions of the projection.
    pub(crate) fn prepare<P: Stored>(
        projection: &'a dyn Projection,
        skips: &'a Skips,
        partitions: &[u32],
        position: i64,
        stored: Vec<Recorded<P>>,
    ) -> Self {
        let (mut seen, mut end) = (vec![], position);
        // What is at or below the cursor was taken in before.
        for event in stored.into_iter().filter(|event| event.position > position) {
            end = event.position;
            see(projection, skips, event, |partition| partitions.contains(&partition), &mut seen);
        }
        Self::of(projection, skips, position, end, seen)
    }

    /// The stretch after `start` up to `end`, of which these events are seen.
    pub(crate) fn of(projection: &'a dyn Projection, skips: &'a Skips, start: i64, end: i64, seen: Vec<Seen>) -> Self {
        let mut stretch = Self {
            projection,
            skips,
            steps: Vec::with_capacity(seen.len()),
            events: Vec::with_capacity(seen.len()),
            start,
            end,
            committed: false,
            bad: BTreeMap::new(),
            one_by_one: false,
            stopped: None,
        };
        for Seen { position, key, what, .. } in seen {
            let what = match what {
                Sight::Event(event) => {
                    stretch.events.push(*event);
                    What::Event(stretch.events.len() - 1)
                }
                Sight::Retry => What::Retry,
                Sight::Skip(skipped) => What::Skip(skipped),
                // Once a stretch is enough, however many partitions it is of.
                Sight::Forget(_) if stretch.steps.last().is_some_and(|it| it.position == position) => continue,
                Sight::Forget(subject) => What::Forget(subject),
                Sight::Unreadable(error) if projection.on_poison() == Policy::Park => {
                    stretch.bad.insert(position, error.to_string());
                    What::Unreadable
                }
                Sight::Unreadable(error) | Sight::UnreadableDeed(error) => {
                    stretch.end = position - 1;
                    stretch.stopped = Some(Failure { position: Some(position), error: error.into() });
                    break;
                }
            };
            stretch.steps.push(Step { position, key, what });
        }
        stretch
    }

    /// Has these events stop their keys, whether or not they could be taken in: position and reason of each.
    pub(crate) fn expect_bad(&mut self, bad: BTreeMap<i64, String>) {
        self.bad.extend(bad);
    }

    /// How many events it has for the projection.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Takes it in. `Ok(false)` when `entry` did not let it.
    ///
    /// # Errors
    /// What may pass, and what a projection halts at; in both cases `committed` tells whether the events up to `end` were
    /// taken in.
    pub(crate) async fn take_in(
        &mut self,
        pool: &PgPool,
        now: DateTime<Utc>,
        entry: &dyn Entry,
    ) -> Result<bool, Failure> {
        while self.end > self.start {
            let mut transaction = begin(pool).await?;
            if !entry.enter(&mut transaction, self.end).await? {
                transaction.rollback().await?;
                return Ok(false);
            }
            match self.apply(&mut transaction, now).await {
                Ok(parked) => {
                    transaction.commit().await?;
                    self.committed = true;
                    self.tell(&parked);
                    break;
                }
                Err(failure) => {
                    // The connection rolls back in any case before it serves anyone else.
                    let _ = transaction.rollback().await;
                    self.blame(failure)?;
                }
            }
        }
        self.stopped.take().map_or(Ok(true), Err)
    }

    /// Finds out what is to be left out of the next round.
    pub(crate) fn blame(&mut self, failure: Failure) -> Result<(), Failure> {
        if !failure.error.is_lasting() {
            return Err(failure);
        }
        match failure.position {
            None if !self.one_by_one => self.one_by_one = true,
            Some(position) if self.projection.on_poison() == Policy::Halt => {
                self.steps.retain(|step| step.position < position);
                self.events.retain(|event| event.position < position);
                self.end = position - 1;
                self.stopped = Some(failure);
            }
            Some(position) if !self.bad.contains_key(&position) => {
                self.bad.insert(position, failure.error.to_string());
            }
            _ => return Err(failure),
        }
        Ok(())
    }

    fn tell(&self, parked: &[i64]) {
        let name = self.projection.name();
        for position in parked {
            let reason = self.bad.get(position);
            tracing::error!(projection = name, position, reason, "an event cannot be taken in; its stream is parked");
            metrics::counter!("baeum_projection_poison_total", "projection" => name).increment(1);
        }
    }

    /// One round, within the transaction of `db`. Gives the positions at which streams were parked.
    pub(crate) async fn apply(&self, db: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<i64>, Failure> {
        let name = self.projection.name();
        let keys: HashSet<&str> = self.steps.iter().map(|step| step.key.as_str()).collect();
        if keys.is_empty() {
            return Ok(vec![]);
        }
        let mut parked = parking::among(db, name, &Vec::from_iter(keys)).await?;
        if parked.is_empty() && self.bad.is_empty() && self.events.len() == self.steps.len() {
            self.apply_events(db, &self.events).await?;
            return Ok(vec![]);
        }
        let (mut good, mut waiting, mut stopped) = (vec![], vec![], vec![]);
        for step in &self.steps {
            match (&step.what, self.bad.get(&step.position)) {
                (What::Retry | What::Skip(_), _) => {
                    self.apply_events(db, &std::mem::take(&mut good)).await?;
                    parking::hold(db, name, &std::mem::take(&mut waiting)).await?;
                    match self.intervene(db, step, now).await? {
                        Intervention::GoesOn => drop(parked.remove(&step.key)),
                        Intervention::Parked(position) => stopped.push(position),
                        Intervention::Nothing => {}
                    }
                }
                (What::Forget(subject), _) => {
                    self.apply_events(db, &std::mem::take(&mut good)).await?;
                    parking::hold(db, name, &std::mem::take(&mut waiting)).await?;
                    forget::remove(db, self.projection, *subject).await?;
                    parking::resume(db, name, &step.key).await?;
                    parked.remove(&step.key);
                }
                _ if parked.contains(&step.key) => waiting.push((step.position, step.key.as_str())),
                (_, Some(reason)) => {
                    parking::park(db, name, &step.key, step.position, reason, now).await?;
                    parked.insert(step.key.clone());
                    stopped.push(step.position);
                }
                (What::Event(index), None) => good.push(self.events[*index].clone()),
                (What::Unreadable, None) => {}
            }
        }
        self.apply_events(db, &good).await?;
        parking::hold(db, name, &waiting).await?;
        Ok(stopped)
    }

    /// Does what an operator wants with a parked stream.
    async fn intervene(&self, db: &mut PgConnection, step: &Step, now: DateTime<Utc>) -> Result<Intervention, Failure> {
        let (name, key) = (self.projection.name(), step.key.as_str());
        let Some(position) = parking::position(db, name, key).await? else { return Ok(Intervention::Nothing) };
        let mut next = match step.what {
            // It has got past that event meanwhile.
            What::Skip(skipped) if skipped != position => return Ok(Intervention::Nothing),
            What::Skip(_) => parking::held(db, name, key, position, HELD).await?,
            _ => vec![position],
        };
        let mut latest = position;
        loop {
            for event in read_at(db, &next).await? {
                latest = event.position;
                if self.skips.has(self.projection, &event) {
                    continue;
                }
                if let Some(reason) = self.bad.get(&latest) {
                    parking::park(db, name, key, latest, reason, now).await?;
                    return Ok(Intervention::Parked(latest));
                }
                let decoded = <StoredPayload as Stored>::decode(event);
                let event = decoded.map_err(|error| Failure { position: Some(latest), error: error.into() })?;
                self.apply_event(db, &event).await?;
            }
            next = parking::held(db, name, key, latest, HELD).await?;
            if next.is_empty() {
                parking::resume(db, name, key).await?;
                tracing::info!(projection = name, key, position, "a parked stream goes on");
                return Ok(Intervention::GoesOn);
            }
        }
    }

    async fn apply_events(&self, db: &mut PgConnection, events: &[Recorded<AnyEvent>]) -> Result<(), Failure> {
        if self.one_by_one {
            for event in events {
                self.apply_event(db, event).await?;
            }
        } else if !events.is_empty() {
            caught(self.projection.apply_all(db, events)).await?;
        }
        Ok(())
    }

    async fn apply_event(&self, db: &mut PgConnection, event: &Recorded<AnyEvent>) -> Result<(), Failure> {
        let applied = caught(self.projection.apply(db, event)).await;
        applied.map_err(|error| Failure { position: Some(event.position), error })
    }
}

/// A panic of the projection is an error like others.
async fn caught(applying: BoxFuture<'_, Result<(), ProjectionError>>) -> Result<(), ProjectionError> {
    AssertUnwindSafe(applying).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(ProjectionError::Panicked(text.unwrap_or_else(|| "no message".to_owned())))
    })
}
