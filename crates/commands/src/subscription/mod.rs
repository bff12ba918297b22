//! Plans, coupons, subscriptions, payments and usage credits: what people do about them.
//!
//! Subscribers reach their own; administrators reach everybody's, and plans and coupons.

pub mod apply_coupon;
pub mod billing;
pub mod buy_credits;
pub mod cancel;
pub mod change_plan;
pub mod charge_evaluation;
pub mod create_coupon;
pub mod create_plan;
pub mod end_for_erasure;
mod error;
mod gateway_calls;
pub mod notice;
mod own;
pub mod pause;
pub mod pay_now;
pub mod payment_methods;
pub mod reactivate;
pub mod request_refund;
pub mod start;

pub use error::Error;
