//! Progress: what a learner masters, as evidence accumulates.

#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod progress;
