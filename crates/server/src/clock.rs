//! The real clock: the only place that learns the time and makes ids.

use baeum_domain::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// The clock of this machine, and ids of version 7.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock {
    /// By how much it is wrong: for tests and drills, see `BAEUM_CLOCK_OFFSET_SECONDS`.
    pub(crate) offset: TimeDelta,
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.offset
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one source of ids")]
    fn new_id(&self) -> Uuid {
        if self.offset.is_zero() {
            return Uuid::now_v7();
        }
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_an_hour_behind_tells_and_names_that_hour() {
        let (right, wrong) = (SystemClock::default(), SystemClock { offset: TimeDelta::hours(-1) });
        let behind = right.now() - wrong.now();
        assert!((3_599..=3_601).contains(&behind.num_seconds()), "{behind}");
        let (seconds, _) = wrong.new_id().get_timestamp().expect("version 7").to_unix();
        let named = i64::try_from(seconds).expect("a moment of ours");
        assert!((wrong.now().timestamp() - named).abs() <= 1);
    }
}
