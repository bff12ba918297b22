//! Lessons.

pub mod lessons;
