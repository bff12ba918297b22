//! Lessons: starting, watching, answering, completing.

pub mod abandon_lesson;
pub mod complete_lesson;
pub mod consume_clip;
mod error;
pub mod start_lesson;
mod status;
pub mod submit_attempt;
pub mod submit_recording;

pub use error::Error;
pub use status::Status;
