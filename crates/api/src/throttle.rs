//! Slows down whoever guesses passwords: ten failures in 15 minutes close an address until the first of them is as old.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::bounded::Bounded;

const FAILURES: usize = 10;
const WITHIN: TimeDelta = TimeDelta::minutes(15);
const REMEMBERED: usize = 10_000;

/// A hash of an address of a tenant: addresses themselves are not kept.
type Key = [u8; 32];

/// The latest failures to sign in, by address.
pub(crate) struct Throttle(Mutex<Bounded<Key, VecDeque<DateTime<Utc>>>>);

impl Throttle {
    /// Knows of no failures yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bounded::new(REMEMBERED)))
    }

    /// Counts an attempt to sign in before it is known how it ends, so that attempts at once are counted too.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(crate) fn enter(&self, tenant: &str, email: &str, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let key = key(tenant, email);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failures = known.remove(&key).unwrap_or_default();
        while failures.front().is_some_and(|at| now - *at >= WITHIN) {
            failures.pop_front();
        }
        let result = match failures.front() {
            Some(first) if failures.len() >= FAILURES => Err(WITHIN - (now - *first)),
            _ => {
                failures.push_back(now);
                Ok(())
            }
        };
        known.insert(key, failures);
        result
    }

    /// An attempt succeeded: the address starts anew.
    pub(crate) fn succeed(&self, tenant: &str, email: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(tenant, email));
    }

    /// An attempt was neither right nor wrong: it does not count.
    pub(crate) fn forgive(&self, tenant: &str, email: &str) {
        let key = key(tenant, email);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut failures) = known.remove(&key) {
            failures.pop_back();
            known.insert(key, failures);
        }
    }
}

fn key(tenant: &str, email: &str) -> Key {
    Sha256::digest(format!("{tenant}\n{}", email.trim().to_lowercase())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_close_an_address_until_the_first_is_15_minutes_old() {
        let throttle = Throttle::new();
        let start = DateTime::UNIX_EPOCH;
        for minute in 0..10 {
            assert!(throttle.enter("main", "mina@example.org", start + TimeDelta::minutes(minute)).is_ok());
        }
        let refused = throttle.enter("main", " Mina@Example.org", start + TimeDelta::minutes(10));
        assert_eq!(refused, Err(TimeDelta::minutes(5)));
        assert!(throttle.enter("main", "jun@example.org", start).is_ok());
        assert!(throttle.enter("busan", "mina@example.org", start).is_ok(), "someone else of another tenant");
        assert!(throttle.enter("main", "mina@example.org", start + TimeDelta::minutes(15)).is_ok());
    }

    #[test]
    fn signing_in_forgets_the_failures() {
        let throttle = Throttle::new();
        for _ in 0..50 {
            assert!(throttle.enter("main", "mina@example.org", DateTime::UNIX_EPOCH).is_ok());
            throttle.succeed("main", "mina@example.org");
        }
    }
}
