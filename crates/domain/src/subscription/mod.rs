//! Plans, subscriptions and the money that they move: pure decisions, without a gateway and without a clock.
//!
//! A plan's terms are taken over into a [`subscription`], which alone decides what is to be paid and draws up each
//! [`bill`]. An [`invoice`] records a bill, a [`payment`] collects it, a [`refund`] gives money back. What events move
//! between accounts is in [`ledger`], what partners get of it in [`settlement`].

pub mod bill;
pub mod billing_account;
pub mod coupon;
pub mod credits;
pub mod dunning;
pub mod gateway;
pub mod invoice;
pub mod ledger;
pub mod payment;
pub mod period;
pub mod plan;
pub mod proration;
pub mod refund;
pub mod settlement;
#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod subscription;
