//! A map that holds the latest entries only, so that no client can make it grow.

use std::{collections::HashMap, hash::Hash, mem};

/// At most `capacity` entries: when half of that are new, the older half is forgotten.
pub(crate) struct Bounded<K, V> {
    recent: HashMap<K, V>,
    older: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    /// An empty map for at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.recent.get(key).or_else(|| self.older.get(key))
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if !self.recent.contains_key(&key) && self.recent.len() >= self.half {
            self.older = mem::take(&mut self.recent);
        }
        self.older.remove(&key);
        self.recent.insert(key, value);
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let recent = self.recent.remove(key);
        let older = self.older.remove(key);
        recent.or(older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_entries_are_kept_and_no_more_than_the_capacity() {
        let mut map = Bounded::new(10);
        for n in 0..1000 {
            map.insert(n, n);
            assert!(map.recent.len() + map.older.len() <= 10);
        }
        assert_eq!(map.get(&999), Some(&999));
        assert_eq!(map.get(&995), Some(&995));
        assert_eq!(map.get(&1), None);
    }
}
