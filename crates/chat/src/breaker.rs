//! A circuit breaker: after so many failures in a row nothing is asked for a while; then one question finds out.
//!
//! States as M. Nygard names them ("Release It!", 2007): closed, open, half-open. The time is handed in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Clone, Copy, Debug)]
enum State {
    /// Questions pass; so many have failed in a row.
    Closed { failures: u32 },
    /// None pass until then.
    Open { until: Instant },
    /// One is on its way.
    HalfOpen,
}

/// A circuit breaker.
pub struct Breaker {
    state: Mutex<State>,
    failures: u32,
    pause: Duration,
    now: Now,
}

/// A question that may be asked. One that is dropped without an outcome has failed: nobody waited for its answer.
#[must_use = "a question that is dropped counts as failed"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    told: bool,
}

impl Breaker {
    /// Opens after `failures` in a row, at least 1, for `pause`.
    pub fn new(failures: u32, pause: Duration, now: Now) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), failures: failures.max(1), pause, now }
    }

    /// Asks whether a question may be asked; `None` while the breaker is open, or half-open with a question on its way.
    pub fn enter(&self) -> Option<Permit<'_>> {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => {}
            State::Open { until } if (self.now)() >= until => *state = State::HalfOpen,
            State::Open { .. } | State::HalfOpen => return None,
        }
        Some(Permit { breaker: self, told: false })
    }

    fn tell(&self, well: bool) {
        let mut state = self.state();
        let opened = State::Open { until: (self.now)() + self.pause };
        *state = match *state {
            // What was asked before it opened says nothing of now.
            State::Open { until } => State::Open { until },
            _ if well => State::Closed { failures: 0 },
            State::HalfOpen => opened,
            State::Closed { failures } if failures + 1 >= self.failures => opened,
            State::Closed { failures } => State::Closed { failures: failures + 1 },
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The service answered.
    pub fn succeed(mut self) {
        self.told = true;
        self.breaker.tell(true);
    }

    /// It did not.
    pub fn fail(self) {}
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.tell(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn breaker() -> (Breaker, Arc<AtomicU64>) {
        let (began, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let told = seconds.clone();
        let now: Now = Arc::new(move || began + Duration::from_secs(told.load(Ordering::SeqCst)));
        (Breaker::new(3, Duration::from_secs(30), now), seconds)
    }

    fn enter(breaker: &Breaker) -> Permit<'_> {
        breaker.enter().expect("it lets a question pass")
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, _) = breaker();
        for _ in 0..2 {
            enter(&breaker).fail();
        }
        enter(&breaker).succeed();
        for _ in 0..3 {
            enter(&breaker).fail();
        }
        assert!(breaker.enter().is_none());
    }

    #[test]
    fn after_its_pause_one_question_finds_out() {
        let (breaker, seconds) = breaker();
        for _ in 0..3 {
            enter(&breaker).fail();
        }
        seconds.store(29, Ordering::SeqCst);
        assert!(breaker.enter().is_none());
        seconds.store(30, Ordering::SeqCst);
        let first = enter(&breaker);
        assert!(breaker.enter().is_none(), "one is on its way");
        first.fail();
        assert!(breaker.enter().is_none(), "it is open again");
        seconds.store(60, Ordering::SeqCst);
        enter(&breaker).succeed();
        for _ in 0..2 {
            enter(&breaker).fail();
        }
        enter(&breaker).succeed();
    }

    #[test]
    fn a_question_that_nobody_waits_for_any_more_does_not_keep_it_half_open() {
        let (breaker, seconds) = breaker();
        for _ in 0..3 {
            drop(enter(&breaker));
        }
        seconds.store(30, Ordering::SeqCst);
        drop(enter(&breaker));
        assert!(breaker.enter().is_none());
        seconds.store(60, Ordering::SeqCst);
        enter(&breaker).succeed();
    }

    #[test]
    fn an_answer_from_before_it_opened_does_not_close_it() {
        let (breaker, _) = breaker();
        let early = enter(&breaker);
        for _ in 0..3 {
            enter(&breaker).fail();
        }
        early.succeed();
        assert!(breaker.enter().is_none());
    }
}
