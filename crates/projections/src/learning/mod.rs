//! Lessons.

pub mod evaluator_experiments;
pub mod imported_attempts;
pub mod imported_items;
pub mod lessons;
