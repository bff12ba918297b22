//! Lessons: starting, watching, answering, completing.

pub mod abandon_lesson;
pub mod complete_lesson;
pub mod consume_clip;
pub mod deployment;
pub mod dispute_evaluation;
mod error;
pub mod evaluate_attempt;
mod evaluating;
pub mod shadow_evaluate;
pub mod start_lesson;
mod status;
pub mod submit_attempt;
pub mod submit_recording;

pub use error::Error;
pub(crate) use evaluate_attempt::LATE;
pub(crate) use evaluating::PATIENCE;
pub use status::Status;
