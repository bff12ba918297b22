//! Review: when a card is to be met again.

pub mod fsrs_scheduler;
