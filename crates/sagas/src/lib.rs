//! Processes (sagas): what follows from an event in another aggregate.
//!
//! A process reads the log in order. Its reaction to an event is pure; the new state of the instance, the commands to
//! send and the cursor commit in one transaction. Commands are then sent with an id that derives from their cause, and
//! the log answers a repeated id with what it stored, so that a crash between any two steps resumes and no step takes
//! effect twice.

pub mod learning;
mod process;
pub mod progress;
pub mod review;
mod runner;
mod store;

pub use process::{Effect, Erased, Process};
pub use runner::run;
pub use store::{forget, has_passed, vacuum};

/// Every process, a line each.
pub fn registry() -> Vec<Erased> {
    vec![
        Erased::of::<learning::curriculum_assignment::CurriculumAssignment>(),
        Erased::of::<learning::lesson_completion::LessonCompletion>(),
        Erased::of::<progress::progress_tracking::ProgressTracking>(),
        Erased::of::<review::card_making::CardMaking>(),
    ]
}
