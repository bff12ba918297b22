//! Progress of learners.

pub mod learner_vectors;
#[allow(clippy::module_inception, reason = "the view has the name of its context")]
pub mod progress;
