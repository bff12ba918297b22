//! Emotion care: what a learner's activity says of how they feel, with their consent only.

pub mod affect;
pub mod encouragement;
