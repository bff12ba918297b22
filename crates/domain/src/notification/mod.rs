//! Telling people what happened, at a moment that suits them; and telling other systems.

pub mod backoff;
pub mod billing;
pub mod channel;
#[allow(clippy::module_inception, reason = "the aggregate has the name of its context, as everywhere")]
pub mod notification;
pub mod preferences;
pub mod quiet_hours;
pub mod template;
pub mod webhooks;
mod words;
