//! Learning: lesson planning.

pub mod planner;
