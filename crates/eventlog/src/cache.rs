//! Recent states of aggregates, from which a command is decided without a read.
//!
//! What an entry says stays true: the state of a stream at a sequence. Whether that is the latest, only the database
//! knows: the primary key of `events` refuses what was decided on less, and what needs no append is read again before it
//! is told (`execute.rs`).

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use baeum_domain::Decider;
use quick_cache::sync::{Cache, EntryAction, EntryResult};

use crate::Loaded;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    aggregate_type: &'static str,
    tenant: Arc<str>,
    id: Arc<str>,
}

#[derive(Clone)]
struct Entry {
    sequence: i64,
    state: Arc<dyn Any + Send + Sync>,
}

/// A bounded number of recent states.
pub(crate) struct AggregateCache {
    /// None where the log was opened without a cache.
    states: Option<Cache<Key, Entry>>,
    /// The position that the log must have reached for the states to be of this log: it has not where the database was
    /// put back to an earlier moment.
    reached: AtomicI64,
}

impl AggregateCache {
    /// Room for about so many aggregates; 0 for none.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { states: (capacity > 0).then(|| Cache::new(capacity)), reached: AtomicI64::new(0) }
    }

    /// The state that is known, if one is.
    pub(crate) fn get<D: Decider>(&self, tenant: &str, id: &str) -> Option<Loaded<D>> {
        let entry = self.states.as_ref()?.get(&key::<D>(tenant, id))?;
        Some(Loaded { state: entry.state.downcast().ok()?, sequence: entry.sequence })
    }

    /// Keeps a state whose latest event stands at `position`, unless a newer one is known.
    pub(crate) fn keep<D: Decider>(&self, tenant: &str, id: &str, now: &Loaded<D>, position: i64) {
        let Some(states) = &self.states else { return };
        self.reached.fetch_max(position, Ordering::Relaxed);
        let new = Entry { sequence: now.sequence, state: now.state.clone() };
        let newer = new.clone();
        let entry = states.entry(&key::<D>(tenant, id), Some(Duration::ZERO), |_, known| {
            if known.sequence < newer.sequence {
                *known = newer;
            }
            EntryAction::Retain(())
        });
        if let EntryResult::Vacant(place) = entry {
            // A place that is gone was taken by someone else's entry: as good.
            let _ = place.insert(new);
        }
    }

    /// Forgets one state.
    pub(crate) fn forget<D: Decider>(&self, tenant: &str, id: &str) {
        if let Some(states) = &self.states {
            states.remove(&key::<D>(tenant, id));
        }
    }

    /// Forgets all states of this log, which is still the one that they were remembered of.
    pub(crate) fn forget_all(&self) {
        if let Some(states) = &self.states {
            states.clear();
        }
    }

    /// Forgets all states.
    pub(crate) fn clear(&self) {
        if let Some(states) = &self.states {
            states.clear();
        }
        self.reached.store(0, Ordering::Relaxed);
    }

    /// The position that the log must have reached.
    pub(crate) fn reached(&self) -> i64 {
        self.reached.load(Ordering::Relaxed)
    }
}

fn key<D: Decider>(tenant: &str, id: &str) -> Key {
    Key { aggregate_type: D::AGGREGATE, tenant: tenant.into(), id: id.into() }
}
