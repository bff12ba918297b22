//! What a learner is to meet again.

pub mod card_making;
