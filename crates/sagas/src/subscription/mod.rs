//! What follows from subscriptions.

pub mod evaluation_charging;
