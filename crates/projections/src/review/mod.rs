//! What learners are to meet again.

pub mod cards;
