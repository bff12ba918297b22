//! Learning: lesson planning, and finding mistakes in what a learner wrote.

pub mod error_detector;
pub mod planner;
