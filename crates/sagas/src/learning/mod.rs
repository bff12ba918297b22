//! What follows from level tests and lessons.

pub mod curriculum_assignment;
pub mod lesson_completion;
