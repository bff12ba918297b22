//! The read model of notifications.

pub mod notifications;
