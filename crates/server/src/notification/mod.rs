//! Notifications: how they are set up, and what operators do about those that were given up.

use baeum_commands::Commands;
use baeum_sagas::notification::dispatcher;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod config;
mod operate;

pub(crate) use config::{NotificationConfig, NotificationWords};
pub(crate) use operate::{NotificationsCommand, NotificationsError, run};

/// Starts the dispatcher among the roles of this process.
///
/// # Errors
/// When a client cannot be made.
pub(crate) fn dispatch(
    roles: &mut JoinSet<&'static str>,
    commands: Commands,
    config: &NotificationConfig,
    stop: CancellationToken,
) -> Result<(), String> {
    let senders = config.senders()?;
    roles.spawn(async move {
        dispatcher::run(commands, senders, stop).await;
        "dispatcher of notifications"
    });
    Ok(())
}
