//! Simulated learners, of whom everything is known: to find out whether a recommender learns, and whether off-policy
//! estimates are right. Nothing here says how people behave.

pub mod contest;
pub mod off_policy;
pub mod world;
