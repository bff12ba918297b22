//! What to watch next, and how well content fits a learner.

pub mod content_recommender;
pub(crate) mod fit;
