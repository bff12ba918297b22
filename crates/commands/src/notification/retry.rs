//! Having a notification tried again that was given up.

use baeum_domain::{
    Clock,
    identity::user::Role,
    ids::NotificationId,
    notification::{
        channel::Channel,
        notification::{Command, Notification},
    },
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Has a dead letter tried again. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, what is no dead letter, or a failing log.
    pub async fn retry_notification(
        &self,
        request: &Request,
        id: NotificationId,
        channel: Channel,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        retry_notification(&self.log, &request.context(self.clock()), id, channel).await
    }
}

/// The same for whoever has the database at hand.
///
/// # Errors
/// What is no dead letter, or a failing log.
pub async fn retry_notification(
    log: &EventLog,
    context: &CommandContext,
    id: NotificationId,
    channel: Channel,
) -> Result<Outcome<()>, ExecuteError<Error>> {
    let not_before = Clock::now(log.clock().as_ref());
    let prepare = |_: Loaded<Notification>| std::future::ready(Ok(Command::Retry { channel, not_before }));
    log.execute::<Notification, _, Error, _>(context, &id.to_string(), prepare, |_, _| ()).await
}
