//! Commands that this process is executing right now.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use uuid::Uuid;

type Key = (String, Uuid);

/// The set of commands in flight.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashSet<Key>>);

/// Holds a command in flight until it is dropped.
pub(crate) struct Guard {
    set: Arc<InFlight>,
    key: Key,
}

impl InFlight {
    /// Enters a command, or gives `None` when it is in flight already.
    pub(crate) fn enter(self: &Arc<Self>, tenant: &str, command_id: Uuid) -> Option<Guard> {
        let key = (tenant.to_owned(), command_id);
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        entered.then(|| Guard { set: self.clone(), key })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.set.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
