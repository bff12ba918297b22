//! Money: what the processes that bill do, and what subscribers pay with.

pub mod billing;
mod gateway_calls;
pub mod notice;
pub mod payment_methods;
