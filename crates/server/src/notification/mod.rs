//! Notifications: how they are set up, and what operators do about those that were given up.

mod config;
mod operate;

pub(crate) use config::{NotificationConfig, NotificationWords};
pub(crate) use operate::{NotificationsCommand, NotificationsError, run};
