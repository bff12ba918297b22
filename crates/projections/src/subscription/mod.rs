//! Read models of plans, subscriptions and money.

pub mod credits;
pub mod invoices;
pub mod ledger;
pub mod payments;
pub mod plans;
pub mod revenue;
pub mod settlement;
pub mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
