//! The clock port: the only way that code below `server` learns the time or gets a new id.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A source of time and of fresh ids. Only `server` makes a real one.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// A fresh UUID of version 7, so that ids sort by the time of their making.
    fn new_id(&self) -> Uuid;

    /// Tells it that the log has it stand at this moment: see [`crate::operations::simulated_clock`]. A clock that goes by
    /// itself takes no notice.
    fn stand_at(&self, _moment: DateTime<Utc>) {}
}

/// A source of unpredictable bytes, for keys, nonces and salts. Only `server` makes a real one.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable values.
    fn fill(&self, bytes: &mut [u8]);
}
