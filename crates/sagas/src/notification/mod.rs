//! What people are told of, and the dispatcher that tells them and the partner systems.

pub mod congratulation;
pub mod dispatcher;
pub mod email;
pub mod push;
pub mod receipt;
pub mod reminder;
pub mod sender;
pub mod subscription_notice;
#[cfg(test)]
mod testing;
pub(crate) mod timers;
pub mod webhook;
