//! Whom this process knows to be forgotten.
//!
//! What is derived from the log skips their events, a token of theirs is refused, and the states that were remembered of
//! aggregates are dropped. Whoever meets a `SubjectErased` in the log says so here; besides, each process looks for
//! erasures of others every second.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use baeum_domain::{
    Decider as _, Recorded,
    identity::{
        erasure::Erasure,
        subject::{LEARNER_FIELD, SUBSCRIBER_FIELD, Whose, whose},
    },
    ids::UserId,
};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    EventLog,
    cache::AggregateCache,
    error::LogError,
    read::{COLUMNS, EventRow},
};

/// How often a process looks for erasures of others.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The event by which a person is forgotten.
const SUBJECT_ERASED: &str = "SubjectErased";

/// Whom this process knows to be forgotten. Cheap to clone; all clones know the same.
#[derive(Clone, Default)]
pub struct Erased(Arc<Known>);

#[derive(Default)]
struct Known {
    subjects: RwLock<HashSet<Uuid>>,
    cache: Option<Arc<AggregateCache>>,
}

impl Erased {
    pub(crate) fn new(cache: Arc<AggregateCache>) -> Self {
        Self(Arc::new(Known { subjects: RwLock::default(), cache: Some(cache) }))
    }

    /// Whether this person is forgotten.
    pub fn contains(&self, subject: UserId) -> bool {
        self.0.subjects.read().unwrap_or_else(PoisonError::into_inner).contains(&subject.0)
    }

    /// Takes note of an erasure that stands in the log.
    pub fn note(&self, subject: UserId) {
        self.0.note(subject.0);
    }

    /// The person whom this event of the log forgets, if it does; takes note of it.
    pub fn meet<P>(&self, event: &Recorded<P>) -> Option<UserId> {
        if event.aggregate_type != Erasure::AGGREGATE || event.event_type != SUBJECT_ERASED {
            return None;
        }
        let subject = event.aggregate_id.parse().ok()?;
        self.note(subject);
        Some(subject)
    }

    /// Whether an event is about somebody who is forgotten; `field` gives the text in a field of its body.
    pub fn concerns<'a, P, T: AsRef<str>>(
        &self,
        event: &'a Recorded<P>,
        field: impl FnOnce(&'a P, &'static str) -> Option<T>,
    ) -> bool {
        if self.0.subjects.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return false;
        }
        let subject = match whose(&event.aggregate_type) {
            Whose::Themselves => event.aggregate_id.parse().ok(),
            Whose::Learner => field(&event.payload, LEARNER_FIELD).and_then(|it| it.as_ref().parse().ok()),
            Whose::Subscriber => field(&event.payload, SUBSCRIBER_FIELD).and_then(|it| it.as_ref().parse().ok()),
            Whose::Record | Whose::Nobody => None,
        };
        subject.is_some_and(|subject| self.contains(subject))
    }
}

impl Known {
    fn note(&self, subject: Uuid) {
        let news = self.subjects.write().unwrap_or_else(PoisonError::into_inner).insert(subject);
        if let Some(cache) = self.cache.as_ref().filter(|_| news) {
            cache.forget_all();
        }
    }
}

/// Keeps `erased` up to date for as long as anybody has it.
pub(crate) fn follow(erased: &Erased, pool: PgPool, mut position: i64) {
    let known: Weak<Known> = Arc::downgrade(&erased.0);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(known) = known.upgrade() else { return };
            match look(&pool, position).await {
                Ok(found) => {
                    for (subject, at) in found {
                        position = at;
                        if let Ok(subject) = subject.parse() {
                            known.note(subject);
                        }
                    }
                }
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => tracing::debug!(%error, "erasures are looked for again in a moment"),
            }
        }
    });
}

/// The erasures after a position: whom, and where.
pub(crate) async fn look(pool: &PgPool, position: i64) -> Result<Vec<(String, i64)>, sqlx::Error> {
    // The type is no parameter, so that the index of erasures serves.
    sqlx::query_as(
        "SELECT aggregate_id, global_position FROM events
         WHERE aggregate_type = 'erasure' AND event_type = $2 AND global_position > $1 ORDER BY global_position",
    )
    .bind(position)
    .bind(SUBJECT_ERASED)
    .fetch_all(pool)
    .await
}

impl EventLog {
    /// Whom this process knows to be forgotten.
    pub fn erased(&self) -> &Erased {
        &self.erased
    }

    /// The events of erasures after a position, in order.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read_erasures(&self, position: i64) -> Result<Vec<Recorded<Value>>, LogError> {
        let rows: Vec<EventRow> = sqlx::query_as(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE aggregate_type = 'erasure' AND global_position > $1 ORDER BY global_position"
        ))
        .bind(position)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}
