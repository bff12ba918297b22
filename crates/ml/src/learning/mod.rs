//! Learning: lesson planning, finding mistakes in what a learner wrote, and hearing how it was said.

pub mod error_detector;
pub mod planner;
pub mod pronunciation;
