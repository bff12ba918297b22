//! Progress: what a learner masters, as evidence accumulates.

pub mod knowledge_tracing;
#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod progress;
