//! How a learner seems to feel: an estimate.

pub mod affect_model;
pub mod simulation;
