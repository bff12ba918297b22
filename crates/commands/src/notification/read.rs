//! Reading a notification in the inbox.

use baeum_domain::{
    ids::NotificationId,
    notification::notification::{self, Command, Notification},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Marks a notification of the caller's as read. That of somebody else is not there for them.
    ///
    /// # Errors
    /// One that is not in the caller's inbox, or a failing log.
    pub async fn read_notification(
        &self,
        request: &Request,
        id: NotificationId,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let prepare = |loaded: Loaded<Notification>| {
            let own = loaded.state.request.as_ref().is_some_and(|it| it.learner_id == request.caller.user_id);
            let refusal = Error::Notification(notification::Error::NotRequested);
            std::future::ready(if own { Ok(Command::Read) } else { Err(refusal) })
        };
        let context = request.context(self.clock());
        self.log.execute::<Notification, _, Error, _>(&context, &id.to_string(), prepare, |_, _| ()).await
    }
}
