//! Review: what a learner is to meet again, and when.

pub mod deck;
pub mod scheduling;
