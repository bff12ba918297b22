//! Delivering a notification by a channel: what is to be sent at this moment, and how that went.
//!
//! The log is asked right before sending: what was delivered, suppressed or cancelled meanwhile is not sent, and who has
//! changed their mind, or has quiet hours now, is not disturbed.

use baeum_domain::{
    identity::{locale::Language, user},
    ids::{NotificationId, NotificationTopic, UserId},
    notification::{
        backoff,
        channel::Channel,
        notification::{Command, Content, Notification, Suppression},
        template::{Rendered, is_owed},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Error,
    address::Address,
    request::{is_told, permitted},
};
use crate::Commands;

/// A notification on one channel, and what led there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whose log.
    pub tenant: String,
    /// The notification.
    pub notification_id: NotificationId,
    /// The channel.
    pub channel: Channel,
    /// What ties the consequences of one request together.
    pub correlation_id: Uuid,
    /// The event that scheduled it.
    pub causation_id: Uuid,
}

/// A message to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The notification: the same in every attempt, so that who receives it twice can tell.
    pub notification_id: NotificationId,
    /// Who is told.
    pub learner_id: UserId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// What it is about.
    pub topic: NotificationTopic,
    /// The language that it is written in.
    pub language: Language,
    /// Where the person is reached.
    pub address: Address,
    /// What it says.
    pub rendered: Rendered,
    /// Where to go to hear no more of the topic by this channel.
    pub unsubscribe: Option<String>,
    /// Now.
    pub at: DateTime<Utc>,
}

/// What is to be done about a delivery now.
pub enum Due {
    /// Nothing any more.
    Nothing,
    /// Nothing before a moment.
    Later(DateTime<Utc>),
    /// It is to be sent.
    Send(Box<Message>),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A code such as `smtp-451` or `timed-out`; it quotes no answer, which might name somebody.
    pub reason: String,
    /// Whether it would fail in the same way again.
    pub lasting: bool,
}

impl Commands {
    /// What is to be done about a delivery at this moment. What need not be sent at all, or not now, is recorded.
    ///
    /// # Errors
    /// A failing log or store: it may be asked again.
    pub async fn due_delivery(&self, delivery: &Delivery) -> Result<Due, ExecuteError<Error>> {
        let Delivery { tenant, notification_id, channel, .. } = delivery;
        let channel = *channel;
        let loaded = self.log.load::<Notification>(tenant, &notification_id.to_string()).await?;
        let (Some((attempt, not_before)), Some(request)) =
            (loaded.state.next_attempt(channel), loaded.state.request.as_ref())
        else {
            return Ok(Due::Nothing);
        };
        // Nothing follows any more from what there was about somebody who was forgotten.
        if self.log.erased().contains(request.learner_id) {
            return Ok(Due::Nothing);
        }
        let now = self.clock().now();
        if not_before > now {
            return Ok(Due::Later(not_before));
        }
        let (profile, preferences) = match self.wishes_of(tenant, request.learner_id).await {
            Ok(wishes) => wishes,
            Err(Error::User(user::Error::NotRegistered)) => {
                return self.suppress(delivery, Suppression::NoAddress).await;
            }
            Err(error) => return Err(ExecuteError::Refused(error)),
        };
        if !self.settings.channels.contains(&channel) {
            return self.suppress(delivery, Suppression::ChannelOff).await;
        }
        if !is_told(&request.content.template, &request.content.topic, channel, &preferences) {
            return self.suppress(delivery, Suppression::Unwanted).await;
        }
        let permitted = permitted(channel, &profile, &preferences, now);
        if permitted > now {
            self.record(delivery, Command::Postpone { channel, not_before: permitted }).await?;
            return Ok(Due::Later(permitted));
        }
        let Some(address) = self.address_of(tenant, request.learner_id).await.map_err(ExecuteError::Refused)? else {
            return self.suppress(delivery, Suppression::NoAddress).await;
        };
        let Ok(rendered) = self.render_notification(&request.content, &address.display_name) else {
            return self.suppress(delivery, Suppression::NoTemplate).await;
        };
        let topic = request.content.topic.clone();
        // What is owed has no link: it would not keep its promise.
        let unsubscribe = if is_owed(&request.content.template, channel) {
            None
        } else {
            let link = self.unsubscribe_link(tenant, request.learner_id, &topic, channel).await;
            link.map_err(ExecuteError::Refused)?
        };
        Ok(Due::Send(Box::new(Message {
            notification_id: *notification_id,
            learner_id: request.learner_id,
            attempt,
            topic,
            language: request.content.language.clone(),
            address,
            rendered,
            unsubscribe,
            at: now,
        })))
    }

    /// The words of a notification for somebody of this name.
    ///
    /// # Errors
    /// When its template is gone, or has other parameters now.
    pub fn render_notification(&self, content: &Content, display_name: &str) -> Result<Rendered, Error> {
        let template = self.catalog().notification(&content.template, &content.language)?;
        Ok(template.render(self.catalog(), &content.parameters, display_name)?)
    }

    /// Records how attempt number `attempt` went, once; tells when to look at the delivery again, if ever.
    ///
    /// # Errors
    /// A failing log: the attempt is then repeated under the same number.
    pub async fn record_attempt(
        &self,
        delivery: &Delivery,
        attempt: u32,
        outcome: Result<(), Failure>,
    ) -> Result<Option<DateTime<Utc>>, ExecuteError<Error>> {
        let channel = delivery.channel;
        let command = match outcome {
            Ok(()) => Command::Succeed { channel, attempt },
            Err(Failure { reason, lasting }) => {
                let retry_at = self.clock().now() + backoff::pause(attempt, self.jitter());
                Command::Fail { channel, attempt, reason, lasting, retry_at }
            }
        };
        let state = self.record(delivery, command).await?;
        Ok(state.next_attempt(channel).map(|(_, not_before)| not_before))
    }

    async fn suppress(&self, delivery: &Delivery, reason: Suppression) -> Result<Due, ExecuteError<Error>> {
        self.record(delivery, Command::Suppress { channel: delivery.channel, reason }).await?;
        Ok(Due::Nothing)
    }

    /// Decides a command of the dispatcher; the notification after it.
    async fn record(&self, delivery: &Delivery, command: Command) -> Result<Notification, ExecuteError<Error>> {
        let command_id = self.clock().new_id();
        // The aggregate itself makes a repetition harmless, so nothing is remembered of the command.
        let context = CommandContext {
            tenant: delivery.tenant.clone(),
            actor: "dispatcher:notification".to_owned(),
            command_id,
            fingerprint: None,
            correlation_id: delivery.correlation_id,
            causation_id: delivery.causation_id,
            expected_sequence: None,
        };
        let prepare = |_: Loaded<Notification>| std::future::ready(Ok(command.clone()));
        let id = delivery.notification_id.to_string();
        let outcome =
            self.log.execute::<Notification, _, Error, _>(&context, &id, prepare, |state, _| state.clone()).await?;
        Ok(outcome.answer)
    }

    /// A number from 0 to 1 that nobody can foresee.
    pub fn jitter(&self) -> f64 {
        let mut bytes = [0; 4];
        self.ports.entropy.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}
