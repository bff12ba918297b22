//! How a learner seems to feel.

pub mod affect_model;
