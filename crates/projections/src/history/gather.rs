//! What a fold begins with: the checkpoint before the moment, the events after it, and where the live model stood still.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use baeum_domain::{
    AnyEvent, Decider as _, Recorded,
    assessment::assessment::Assessment,
    learning::lesson::Lesson,
    operations::parked_stream::{Event as Deed, ParkedStream},
};
use baeum_eventlog::{EventLog, StoredPayload, read_at, read_streams};
use sqlx::PgConnection;

use super::{Checkpoint, HistoryError, LEG, MOST, Whose};
use crate::{
    Order, Projection,
    fold::{Skips, Stretch},
    identity::subject_streams,
    order::Stored as _,
    parking,
};

/// Why an event that this build could take in is not taken in.
const STOOD_STILL: &str = "the live read model stood still here at that moment";

/// What one projection is derived from.
pub(super) struct Gathered {
    pub(super) projection: Arc<dyn Projection>,
    /// What is known already.
    pub(super) base: Option<Checkpoint>,
    /// The key under which what is derived may be kept.
    pub(super) kept_as: Option<String>,
    skips: Skips,
    /// Events at which the live model stood still, and why.
    bad: BTreeMap<i64, String>,
    start: i64,
    stored: Vec<Recorded<StoredPayload>>,
}

/// Where the events of a question are.
struct Places {
    /// Types and ids of the aggregates.
    streams: Vec<(String, String)>,
    /// The keys of the projection that are asked for.
    keys: BTreeSet<String>,
}

impl Gathered {
    pub(super) fn stretch(&mut self) -> (&Self, Stretch<'_>) {
        let stored = std::mem::take(&mut self.stored);
        let this = &*self;
        let partitions: Vec<u32> = (0..this.projection.order().partitions()).collect();
        let mut stretch = Stretch::prepare(this.projection.as_ref(), &this.skips, &partitions, this.start, stored);
        stretch.expect_bad(this.bad.clone());
        (this, stretch)
    }
}

/// The key under which checkpoints may be kept.
fn key_to_keep(projection: &dyn Projection, whose: Whose) -> Option<String> {
    match whose {
        Whose::Learner(learner) if projection.keeps_history() && matches!(projection.order(), Order::ByField(_)) => {
            Some(learner.to_string())
        }
        _ => None,
    }
}

/// The position after which a checkpoint is due before the fold can go on to `to`, where there are too many events for
/// one transaction.
pub(super) async fn next_leg(
    log: &EventLog,
    projection: &Arc<dyn Projection>,
    whose: Whose,
    to: i64,
) -> Result<Option<i64>, HistoryError> {
    let Some(key) = key_to_keep(projection.as_ref(), whose) else { return Ok(None) };
    let base = Checkpoint::find(log.pool(), projection.as_ref(), &key, to).await?;
    let start = base.map_or(log.floor(), |it| it.position);
    let places = find(log, projection.as_ref(), whose, to).await?;
    let mut db = log.pool().acquire().await?;
    let events = events(&mut db, projection.as_ref(), &places, start, to, LEG + 1).await?;
    Ok(events.get(LEG - 1).filter(|_| events.len() > LEG).map(|event| event.position))
}

/// Reads what `projection` is derived from at the position `to`.
pub(super) async fn gather(
    log: &EventLog,
    projection: &Arc<dyn Projection>,
    whose: Whose,
    to: i64,
) -> Result<Gathered, HistoryError> {
    let (projection, name) = (projection.clone(), projection.name());
    let places = find(log, projection.as_ref(), whose, to).await?;
    let kept_as = key_to_keep(projection.as_ref(), whose);
    let base = match &kept_as {
        Some(key) => Checkpoint::find(log.pool(), projection.as_ref(), key, to).await?,
        None => None,
    };
    let start = base.as_ref().map_or(log.floor(), |it| it.position);
    let mut db = log.pool().acquire().await?;
    // Parked streams are read before the deeds: a stream that goes on in between is seen in one or the other.
    let keys: Vec<&str> = places.keys.iter().map(String::as_str).collect();
    let mut bad = BTreeMap::new();
    for (position, reason) in parking::standing(&mut db, name, &keys).await? {
        bad.insert(position, reason);
    }
    let mut stored = events(&mut db, projection.as_ref(), &places, start, to, MOST + 1).await?;
    drop(db);
    if stored.len() > MOST {
        return Err(HistoryError::TooLong { projection: name, events: stored.len() });
    }
    let mut deeds = log.read_aggregates(ParkedStream::AGGREGATE).await?;
    deeds.retain(|deed| {
        let key = deed.payload.field("key");
        deed.payload.field("projection").as_deref() == Some(name) && key.is_some_and(|it| places.keys.contains(&*it))
    });
    for deed in deeds.iter().filter(|deed| deed.position > to) {
        if let AnyEvent::ParkedStream(
            Deed::ParkedStreamRetried { position, .. } | Deed::ParkedEventSkipped { position, .. },
        ) = baeum_eventlog::decode(deed.clone())?.payload
        {
            bad.entry(position).or_insert_with(|| STOOD_STILL.to_owned());
        }
    }
    deeds.retain(|deed| deed.position <= to);
    let skips = Skips::of(log, deeds.iter().cloned(), name)?;
    stored.extend(deeds.into_iter().filter(|deed| deed.position > start));
    stored.sort_by_key(|event| event.position);
    bad.retain(|position, _| *position <= to);
    Ok(Gathered { projection, base, kept_as, skips, bad, start, stored })
}

/// Which streams a question is about.
async fn find(log: &EventLog, projection: &dyn Projection, whose: Whose, to: i64) -> Result<Places, HistoryError> {
    let one = |kind: &str, id: String| Places { streams: vec![(kind.to_owned(), id.clone())], keys: [id].into() };
    let (learner, latest) = match whose {
        Whose::Lesson(lesson) => return Ok(one(Lesson::AGGREGATE, lesson.to_string())),
        Whose::Assessment(assessment) => return Ok(one(Assessment::AGGREGATE, assessment.to_string())),
        Whose::Stream(kind, id) => return Ok(one(kind, id.to_string())),
        Whose::Learner(learner) => (learner, None),
        Whose::LatestLessons(learner, most) => (learner, Some(most)),
    };
    if projection.order() == Order::Total {
        return Err(HistoryError::NotOfOneLearner(projection.name()));
    }
    let key = learner.to_string();
    let mut deeds = log.read_aggregates(ParkedStream::AGGREGATE).await?;
    let mut db = log.pool().acquire().await?;
    // In this order: what goes from the one to the other in between is seen at least once.
    let held = parking::all_held(&mut db, subject_streams::NAME, &key).await?;
    let known = subject_streams::of(&mut *db, learner.0).await?;
    let skipped = deeds.iter().filter(|deed| deed.payload.field("key").as_deref() == Some(key.as_str()));
    let skipped = Skips::of(log, skipped.cloned(), subject_streams::NAME)?;
    let unknown: BTreeSet<i64> = held.into_iter().chain(skipped.positions()).filter(|it| *it <= to).collect();
    let mut began: BTreeMap<(String, String), i64> =
        known.into_iter().map(|it| ((it.aggregate_type, it.aggregate_id), it.first_position)).collect();
    // Events that the index has not taken in tell their streams themselves.
    for event in read_at(&mut db, &Vec::from_iter(unknown)).await? {
        let first = began.entry((event.aggregate_type, event.aggregate_id)).or_insert(event.position);
        *first = event.position.min(*first);
    }
    began.retain(|(kind, _), _| projection.reads(kind));
    let mut streams: Vec<(String, String)> = began.keys().cloned().collect();
    if let Some(most) = latest {
        streams.retain(|stream| began[stream] <= to);
        streams.sort_by_key(|stream| began[stream]);
        // A lesson whose beginning is parked is not listed: an older one is in its place.
        let ids: Vec<&str> = streams.iter().map(|(_, id)| id.as_str()).collect();
        let standing = parking::standing(&mut db, projection.name(), &ids).await?.len();
        deeds.retain(|deed| deed.payload.field("key").is_some_and(|it| ids.contains(&&*it)));
        let most = usize::try_from(most).unwrap_or(usize::MAX).saturating_add(standing + deeds.len());
        streams.drain(..streams.len().saturating_sub(most));
    }
    let keys = match projection.order() {
        Order::ByAggregate => streams.iter().map(|(_, id)| id.clone()).collect(),
        _ => [key].into(),
    };
    Ok(Places { streams, keys })
}

/// The first `limit` events of these places after `start` up to `to` that have one of the keys.
async fn events(
    db: &mut PgConnection,
    projection: &dyn Projection,
    places: &Places,
    start: i64,
    to: i64,
    limit: usize,
) -> Result<Vec<Recorded<StoredPayload>>, HistoryError> {
    let mut found = read_streams(db, &places.streams, start, to, limit).await?;
    let order = projection.order();
    found.retain(|event| places.keys.contains(&*order.key(event)));
    Ok(found)
}
