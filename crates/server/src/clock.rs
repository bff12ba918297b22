//! The real clock: the only place that learns the time and makes ids.

use baeum_domain::Clock;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The clock of this machine, and ids of version 7.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one source of ids")]
    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
