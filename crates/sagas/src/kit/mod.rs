//! What becomes of the kit of a period, and of stock that nobody takes.

pub mod kit_delivery;
pub mod stock_expiry;
