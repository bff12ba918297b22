//! What follows from level tests and lessons.

pub mod curriculum_assignment;
pub mod deferred_evaluation;
pub mod lesson_completion;
pub mod shadow_evaluation;
