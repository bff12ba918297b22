//! What a learner's progress takes from their activity.

pub mod progress_tracking;
