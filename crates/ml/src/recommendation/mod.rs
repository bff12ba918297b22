//! What to watch next, and how well content fits a learner.

pub mod als;
pub mod bandit_recommender;
pub mod embedding;
pub mod features;
pub(crate) mod fit;
pub mod learned;
pub mod linucb;
pub mod off_policy;
pub(crate) mod places;
#[cfg(test)]
pub(crate) mod samples;
pub mod settings;
pub mod simulation;
pub mod trainer;
