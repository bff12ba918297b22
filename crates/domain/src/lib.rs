//! The domain of Baeum: aggregates, their events and commands, typed ids, and the ports that models and
//! clocks implement.
//!
//! Everything here is pure and synchronous. There is no database, no network, no clock and no randomness:
//! time and ids are passed in, so that a decision can be tested by its inputs alone and replayed years later.

pub mod any;
pub mod assessment;
pub mod catalog;
pub mod clock;
pub mod decider;
pub mod emotion;
pub mod identity;
pub mod ids;
pub mod kit;
pub mod learning;
pub mod level;
pub mod media;
pub mod money;
pub mod notification;
pub mod operations;
pub mod position;
pub mod progress;
pub mod recommendation;
pub mod recorded;
pub mod review;
pub mod sealed;
pub mod spec;
pub mod subscription;
pub mod text;

pub use any::AnyEvent;
pub use clock::{Clock, Entropy};
pub use decider::{Decider, DomainEvent};
pub use recorded::Recorded;
pub use sealed::Sealed;
