//! Setting what one wants to be notified of.

use baeum_domain::{
    identity::user::Role,
    ids::UserId,
    notification::preferences::{Command, NotificationPreferences, Preferences},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Sets the preferences of `learner_id`, who must be the caller, unless the caller is an administrator.
    ///
    /// # Errors
    /// Someone else's preferences, an unknown topic, quiet hours that never end, or a failing log.
    pub async fn set_notification_preferences(
        &self,
        request: &Request,
        learner_id: UserId,
        preferences: Preferences,
    ) -> Result<Outcome<Preferences>, ExecuteError<Error>> {
        if request.caller.user_id != learner_id && !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotYours(learner_id)));
        }
        let known = self.catalog().notification_topics();
        if let Some(given) = preferences.channels.keys().find(|topic| !known.contains(topic)) {
            let known = known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(ExecuteError::Refused(Error::UnknownTopic { given: given.clone(), known }));
        }
        let command = Command::Set { learner_id, preferences };
        let prepare = |_: Loaded<NotificationPreferences>| std::future::ready(Ok(command.clone()));
        let answer = |state: &NotificationPreferences, _: &[_]| state.preferences.clone();
        let context = request.context(self.clock());
        let id = learner_id.to_string();
        self.log.execute::<NotificationPreferences, _, Error, _>(&context, &id, prepare, answer).await
    }

    /// The preferences of a user as the log has them, with their version; the usual ones where none were set.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn notification_preferences(
        &self,
        tenant: &str,
        learner_id: UserId,
    ) -> Result<(Preferences, i64), Error> {
        let loaded = self.log.load::<NotificationPreferences>(tenant, &learner_id.to_string()).await?;
        Ok((loaded.state.preferences.clone(), loaded.sequence))
    }
}
