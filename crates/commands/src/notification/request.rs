//! Having somebody told of something, by the channels that they want, when they may be disturbed.

use std::collections::{BTreeMap, BTreeSet};

use baeum_domain::{
    identity::user::{self, Profile, User},
    ids::{NotificationId, NotificationTopic, TemplateId, UserId},
    notification::{
        channel::Channel,
        notification::{Cause, Command, Content, Notification, id_of},
        preferences::{NotificationPreferences, Preferences},
        quiet_hours::{WallTime, local_moment, next_permitted},
        template::is_owed,
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::Commands;

/// News that is older than this is not told any more: a process that reads an old log for the first time leaves the past
/// alone.
const NEWS: TimeDelta = TimeDelta::days(3);

/// Who is to be told what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotificationRequest {
    /// Who.
    pub learner_id: UserId,
    /// The event that it is about: one notification for each cause and template.
    pub cause: Cause,
    /// When that was.
    pub at: DateTime<Utc>,
    /// By which text.
    pub template: TemplateId,
    /// Its parameters, each in the written form of its kind.
    pub parameters: BTreeMap<String, String>,
    /// More of its parameters: moments, told as the day that they are on the person's own calendar.
    pub days: BTreeMap<String, DateTime<Utc>>,
    /// The day and time by the person's own clock before which it is not sent; none for at once.
    pub not_before: Option<(NaiveDate, WallTime)>,
}

impl NotificationRequest {
    /// The notification that comes of it.
    pub fn notification_id(&self) -> NotificationId {
        id_of(self.learner_id, &self.cause, &self.template)
    }

    /// Whether it still is news at this moment. What is owed always is.
    pub fn is_news(&self, now: DateTime<Utc>) -> bool {
        if is_owed(&self.template, Channel::Email) {
            return true;
        }
        let wanted = self.not_before.map(|(date, _)| date.and_time(NaiveTime::MIN).and_utc());
        now < self.at.max(wanted.unwrap_or(self.at)) + NEWS
    }
}

impl Commands {
    /// Has somebody told of something, once for each cause and template.
    ///
    /// # Errors
    /// An unknown user or template, parameters that do not fit it, or a failing log.
    pub async fn request_notification(
        &self,
        context: &CommandContext,
        request: &NotificationRequest,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let notification_id = request.notification_id();
        let prepare = |_: Loaded<Notification>| self.prepare_request(&context.tenant, notification_id, request);
        let id = notification_id.to_string();
        self.log.execute::<Notification, _, Error, _>(context, &id, prepare, |_, _| ()).await
    }

    async fn prepare_request(
        &self,
        tenant: &str,
        notification_id: NotificationId,
        request: &NotificationRequest,
    ) -> Result<Command, Error> {
        let (profile, preferences) = self.wishes_of(tenant, request.learner_id).await?;
        let wanted = &profile.preferences;
        let template = self.catalog().notification(&request.template, &wanted.native_language)?;
        let on = |moment: &DateTime<Utc>| wanted.time_zone.local_date(*moment).to_string();
        let days = request.days.iter().map(|(name, moment)| (name.clone(), on(moment)));
        let parameters: BTreeMap<_, _> = request.parameters.clone().into_iter().chain(days).collect();
        template.accept(&parameters)?;
        let now = self.clock().now();
        let wish = request.not_before.map(|(date, time)| local_moment(&wanted.time_zone, date, time));
        let from = wish.map_or(now, |wish| wish.max(now));
        let told = |channel: &&Channel| is_told(&template.id, &template.topic, **channel, &preferences);
        let channels = self.settings.channels.iter().filter(told);
        let channels = channels.map(|channel| (*channel, permitted(*channel, &profile, &preferences, from))).collect();
        Ok(Command::Request {
            notification_id,
            learner_id: request.learner_id,
            cause: request.cause.clone(),
            content: Content {
                template: request.template.clone(),
                topic: template.topic.clone(),
                language: template.language.clone(),
                parameters,
            },
            channels,
        })
    }

    /// Has what still waits of a notification not sent; one that is not there is no mistake.
    ///
    /// # Errors
    /// A failing log.
    pub async fn cancel_notification(
        &self,
        context: &CommandContext,
        id: NotificationId,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let prepare = |_: Loaded<Notification>| std::future::ready(Ok(Command::Cancel));
        self.log.execute::<Notification, _, Error, _>(context, &id.to_string(), prepare, |_, _| ()).await
    }

    /// Who somebody is and what they want to be told.
    pub(super) async fn wishes_of(&self, tenant: &str, learner_id: UserId) -> Result<(Profile, Preferences), Error> {
        let id = learner_id.to_string();
        let user = self.log.load::<User>(tenant, &id).await?.state;
        let profile = user.profile.clone().ok_or(user::Error::NotRegistered)?;
        let wishes = self.log.load::<NotificationPreferences>(tenant, &id).await?.state;
        Ok((profile, wishes.preferences.clone()))
    }

    /// The channels that this platform sends by.
    pub fn notification_channels(&self) -> &BTreeSet<Channel> {
        &self.settings.channels
    }
}

/// Whether a person is told of this by a channel: what they want, and what is owed to them.
pub(super) fn is_told(
    template: &TemplateId,
    topic: &NotificationTopic,
    channel: Channel,
    preferences: &Preferences,
) -> bool {
    preferences.allow(topic, channel) || is_owed(template, channel)
}

/// When a message may go out by a channel, at `from` or later.
pub(super) fn permitted(
    channel: Channel,
    profile: &Profile,
    preferences: &Preferences,
    from: DateTime<Utc>,
) -> DateTime<Utc> {
    let quiet = preferences.quiet_hours.filter(|_| channel.disturbs());
    next_permitted(quiet, &profile.preferences.time_zone, from)
}
