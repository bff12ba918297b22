//! What one person is told of one cause by one template, with its way to them by each channel.
//!
//! Life cycle: requested, then for each channel scheduled (and scheduled anew while it waits) → delivered, or failed and
//! tried again, or after too many attempts a dead letter, which an operator has tried again; or suppressed, since the
//! person does not want it or cannot be reached. What still waits is cancelled when its cause no longer holds. What was
//! delivered to the inbox is read once. Invariants: attempts on a channel are numbered without gaps from 1, and the outcome
//! of each is recorded once; nothing follows a delivery on its channel.
//!
//! An attempt is recorded with its outcome. Who is killed between sending and recording sends again under the same number
//! and id, so a receiver that honours ids takes it once.
//!
//! No event holds a name, an address or what somebody wrote: these are looked up when the message is made.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{backoff, channel::Channel};
use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::Language,
    ids::{NotificationId, NotificationTopic, TemplateId, UserId, derive_id},
};

/// The one notification of a person about a cause by a template.
pub fn id_of(learner_id: UserId, cause: &Cause, template: &TemplateId) -> NotificationId {
    let (user, event) = (learner_id.to_string(), cause.event_id.to_string());
    NotificationId(derive_id(&["notification", &user, &event, template.as_str()]))
}

/// The event that a notification is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Its id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Its position in the log.
    pub position: i64,
}

/// What a notification says, in a form that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// The template.
    pub template: TemplateId,
    /// What it is about.
    pub topic: NotificationTopic,
    /// The language of the person when it was requested.
    pub language: Language,
    /// The template's parameters, each in the written form of its kind.
    pub parameters: BTreeMap<String, String>,
}

/// Why something is not sent by a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Suppression {
    /// The person does not want to hear of it by this channel.
    Unwanted,
    /// There is no address: the person was erased, or never had one.
    NoAddress,
    /// The platform no longer sends by this channel.
    ChannelOff,
    /// Its template is no longer in the catalogue.
    NoTemplate,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Somebody is to be told.
    NotificationRequested {
        /// The notification.
        notification_id: NotificationId,
        /// Who is told.
        learner_id: UserId,
        /// Of what.
        cause: Cause,
        /// What it says.
        content: Content,
    },
    /// It is to be sent by a channel, not before a moment.
    NotificationScheduled {
        /// Who is told.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// Not before.
        not_before: DateTime<Utc>,
    },
    /// It is not sent by a channel.
    NotificationSuppressed {
        /// Who is not told.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// Why.
        reason: Suppression,
    },
    /// It was sent, and taken by the next in line: a mail server, a push service, the inbox.
    NotificationDelivered {
        /// Who was told.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// An attempt to send it failed; there will be another.
    NotificationFailed {
        /// Who was not told yet.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Why, as a code such as `smtp-451` or `timed-out`. It quotes no answer, which might name somebody.
        reason: String,
        /// When it is tried again.
        not_before: DateTime<Utc>,
    },
    /// It is given up until an operator has it tried again.
    NotificationDeadLettered {
        /// Who was not told.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// The number of the last attempt.
        attempt: u32,
        /// Why that failed, as a code.
        reason: String,
    },
    /// An operator has a dead letter tried again.
    NotificationRetried {
        /// Who is to be told.
        learner_id: UserId,
        /// By what.
        channel: Channel,
        /// Not before.
        not_before: DateTime<Utc>,
    },
    /// What still waited to be sent is not: its cause no longer holds.
    NotificationCancelled {
        /// Who is not told any more.
        learner_id: UserId,
    },
    /// The person read it in the inbox.
    NotificationRead {
        /// Who.
        learner_id: UserId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// How far a notification is on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It waits for its moment.
    Scheduled {
        /// Not before.
        not_before: DateTime<Utc>,
    },
    /// It was sent.
    Delivered,
    /// It is not sent.
    Suppressed,
    /// It is given up.
    DeadLettered,
}

/// A notification on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How far it is.
    pub stage: Stage,
    /// How many attempts were concluded.
    pub attempts: u32,
    /// How many of them an operator has forgiven.
    pub forgiven: u32,
}

/// A notification, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Whom it is for and what it says, once requested.
    pub request: Option<Requested>,
    /// By channel.
    pub deliveries: BTreeMap<Channel, Delivery>,
    /// Whether it was read.
    pub read: bool,
}

/// What was requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requested {
    /// Who is told.
    pub learner_id: UserId,
    /// What it says.
    pub content: Content,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Tell somebody.
    Request {
        /// The notification.
        notification_id: NotificationId,
        /// Whom.
        learner_id: UserId,
        /// Of what.
        cause: Cause,
        /// What it says.
        content: Content,
        /// By what, and from when on.
        channels: BTreeMap<Channel, DateTime<Utc>>,
    },
    /// Put off what waits: the person is not to be disturbed now.
    Postpone {
        /// By what.
        channel: Channel,
        /// Until when.
        not_before: DateTime<Utc>,
    },
    /// Do not send what waits.
    Suppress {
        /// By what.
        channel: Channel,
        /// Why not.
        reason: Suppression,
    },
    /// An attempt went well.
    Succeed {
        /// By what.
        channel: Channel,
        /// Its number.
        attempt: u32,
    },
    /// An attempt failed.
    Fail {
        /// By what.
        channel: Channel,
        /// Its number.
        attempt: u32,
        /// Why, as a code.
        reason: String,
        /// Whether it would fail in the same way again.
        lasting: bool,
        /// When to try again, if it is.
        retry_at: DateTime<Utc>,
    },
    /// Try a dead letter again.
    Retry {
        /// By what.
        channel: Channel,
        /// From when on.
        not_before: DateTime<Utc>,
    },
    /// Do not send what still waits.
    Cancel,
    /// It was read in the inbox.
    Read,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such notification.
    #[error("there is no such notification: list those that there are")]
    NotRequested,
    /// It never went that way.
    #[error("the notification is not sent by {0}: name a channel that it has")]
    NoSuchChannel(Channel),
    /// It is no dead letter.
    #[error("the notification is no dead letter on {0}: only those that were given up can be tried again")]
    NotDeadLettered(Channel),
    /// It has not come to the inbox.
    #[error("the notification is not in the inbox: only what was delivered there can be read")]
    NotInInbox,
}

impl Notification {
    /// The number of the next attempt on a channel and not before when, where one is to be made.
    pub fn next_attempt(&self, channel: Channel) -> Option<(u32, DateTime<Utc>)> {
        let delivery = self.deliveries.get(&channel)?;
        match delivery.stage {
            Stage::Scheduled { not_before } => Some((delivery.attempts + 1, not_before)),
            Stage::Delivered | Stage::Suppressed | Stage::DeadLettered => None,
        }
    }

    fn decide_on(
        &self,
        channel: Channel,
        then: impl FnOnce(UserId, Delivery) -> Result<Option<Event>, Error>,
    ) -> Result<Vec<Event>, Error> {
        let request = self.request.as_ref().ok_or(Error::NotRequested)?;
        let delivery = self.deliveries.get(&channel).ok_or(Error::NoSuchChannel(channel))?;
        Ok(then(request.learner_id, *delivery)?.into_iter().collect())
    }

    fn set(&mut self, channel: Channel, stage: Stage) -> &mut Delivery {
        let delivery = self.deliveries.entry(channel).or_insert(Delivery { stage, attempts: 0, forgiven: 0 });
        delivery.stage = stage;
        delivery
    }
}

impl Decider for Notification {
    const AGGREGATE: &'static str = "notification";
    const CONTEXT: &'static str = "notification";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Request { .. } if self.request.is_some() => Ok(vec![]),
            Command::Request { notification_id, learner_id, cause, content, channels } => {
                let scheduled = channels.into_iter().map(|(channel, not_before)| Event::NotificationScheduled {
                    learner_id,
                    channel,
                    not_before,
                });
                let requested = Event::NotificationRequested { notification_id, learner_id, cause, content };
                Ok(std::iter::once(requested).chain(scheduled).collect())
            }
            Command::Postpone { channel, not_before } => self.decide_on(channel, |learner_id, delivery| {
                let waits = matches!(delivery.stage, Stage::Scheduled { not_before: known } if known != not_before);
                Ok(waits.then_some(Event::NotificationScheduled { learner_id, channel, not_before }))
            }),
            Command::Suppress { channel, reason } => self.decide_on(channel, |learner_id, delivery| {
                let waits = matches!(delivery.stage, Stage::Scheduled { .. });
                Ok(waits.then_some(Event::NotificationSuppressed { learner_id, channel, reason }))
            }),
            Command::Succeed { channel, attempt } => self.decide_on(channel, |learner_id, delivery| {
                // What went out is told even where it was cancelled meanwhile.
                let news = attempt > delivery.attempts && delivery.stage != Stage::Delivered;
                Ok(news.then_some(Event::NotificationDelivered { learner_id, channel, attempt }))
            }),
            Command::Fail { channel, attempt, reason, lasting, retry_at } => {
                self.decide_on(channel, |learner_id, delivery| {
                    let waits = matches!(delivery.stage, Stage::Scheduled { .. });
                    if attempt <= delivery.attempts || !waits {
                        return Ok(None);
                    }
                    Ok(Some(if lasting || attempt - delivery.forgiven >= backoff::LIMIT {
                        Event::NotificationDeadLettered { learner_id, channel, attempt, reason }
                    } else {
                        Event::NotificationFailed { learner_id, channel, attempt, reason, not_before: retry_at }
                    }))
                })
            }
            Command::Retry { channel, not_before } => {
                self.decide_on(channel, |learner_id, delivery| match delivery.stage {
                    Stage::DeadLettered => Ok(Some(Event::NotificationRetried { learner_id, channel, not_before })),
                    Stage::Scheduled { .. } => Ok(None),
                    Stage::Delivered | Stage::Suppressed => Err(Error::NotDeadLettered(channel)),
                })
            }
            Command::Cancel => {
                let Some(request) = &self.request else { return Ok(vec![]) };
                let waits = self.deliveries.values().any(|it| matches!(it.stage, Stage::Scheduled { .. }));
                let cancelled = Event::NotificationCancelled { learner_id: request.learner_id };
                Ok(waits.then_some(cancelled).into_iter().collect())
            }
            Command::Read => {
                let request = self.request.as_ref().ok_or(Error::NotRequested)?;
                if self.deliveries.get(&Channel::InApp).map(|it| it.stage) != Some(Stage::Delivered) {
                    return Err(Error::NotInInbox);
                }
                let read = Event::NotificationRead { learner_id: request.learner_id };
                Ok((!self.read).then_some(read).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::NotificationRequested { learner_id, content, .. } => {
                self.request = Some(Requested { learner_id: *learner_id, content: content.clone() });
            }
            Event::NotificationScheduled { channel, not_before, .. } => {
                self.set(*channel, Stage::Scheduled { not_before: *not_before });
            }
            Event::NotificationSuppressed { channel, .. } => {
                self.set(*channel, Stage::Suppressed);
            }
            Event::NotificationDelivered { channel, attempt, .. } => {
                self.set(*channel, Stage::Delivered).attempts = *attempt;
            }
            Event::NotificationFailed { channel, attempt, not_before, .. } => {
                self.set(*channel, Stage::Scheduled { not_before: *not_before }).attempts = *attempt;
            }
            Event::NotificationDeadLettered { channel, attempt, .. } => {
                self.set(*channel, Stage::DeadLettered).attempts = *attempt;
            }
            Event::NotificationRetried { channel, not_before, .. } => {
                let delivery = self.set(*channel, Stage::Scheduled { not_before: *not_before });
                delivery.forgiven = delivery.attempts;
            }
            Event::NotificationCancelled { .. } => {
                for delivery in self.deliveries.values_mut().filter(|it| matches!(it.stage, Stage::Scheduled { .. })) {
                    delivery.stage = Stage::Suppressed;
                }
            }
            Event::NotificationRead { .. } => self.read = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use chrono::TimeDelta;

    const USER: UserId = UserId(Uuid::from_u128(1));
    const MAIL: Channel = Channel::Email;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn cause() -> Cause {
        Cause { event_id: Uuid::from_u128(9), event_type: "LessonCompleted".into(), position: 7 }
    }

    fn content() -> Content {
        Content {
            template: "lesson_completed".parse().expect("a template"),
            topic: "lessons".parse().expect("a topic"),
            language: "ko".parse().expect("a language"),
            parameters: [("score".to_owned(), "0.8".to_owned())].into(),
        }
    }

    fn id() -> NotificationId {
        id_of(USER, &cause(), &content().template)
    }

    fn request() -> Command {
        let channels = [(Channel::InApp, at(0)), (MAIL, at(60))].into();
        Command::Request { notification_id: id(), learner_id: USER, cause: cause(), content: content(), channels }
    }

    fn requested() -> Vec<Event> {
        vec![
            Event::NotificationRequested {
                notification_id: id(),
                learner_id: USER,
                cause: cause(),
                content: content(),
            },
            Event::NotificationScheduled { learner_id: USER, channel: Channel::InApp, not_before: at(0) },
            Event::NotificationScheduled { learner_id: USER, channel: MAIL, not_before: at(60) },
        ]
    }

    fn after(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        requested().into_iter().chain(events).collect()
    }

    fn fail(attempt: u32, lasting: bool) -> Command {
        Command::Fail { channel: MAIL, attempt, reason: "smtp-451".into(), lasting, retry_at: at(70) }
    }

    fn failed(attempt: u32) -> Event {
        let reason = "smtp-451".into();
        Event::NotificationFailed { learner_id: USER, channel: MAIL, attempt, reason, not_before: at(70) }
    }

    fn dead(attempt: u32) -> Event {
        Event::NotificationDeadLettered { learner_id: USER, channel: MAIL, attempt, reason: "smtp-451".into() }
    }

    fn delivered(channel: Channel, attempt: u32) -> Event {
        Event::NotificationDelivered { learner_id: USER, channel, attempt }
    }

    #[test]
    fn a_cause_leads_to_one_notification_however_often_it_is_requested() {
        given::<Notification>([]).when(request()).then(requested());
        given::<Notification>(after([delivered(MAIL, 1)])).when(request()).then([]);
        let other = Cause { event_id: Uuid::from_u128(10), ..cause() };
        assert_ne!(id(), id_of(USER, &other, &content().template));
    }

    #[test]
    fn the_outcome_of_an_attempt_is_recorded_once() {
        given::<Notification>(requested())
            .when(Command::Succeed { channel: MAIL, attempt: 1 })
            .then([delivered(MAIL, 1)]);
        given::<Notification>(after([delivered(MAIL, 1)]))
            .when(Command::Succeed { channel: MAIL, attempt: 2 })
            .then([]);
        given::<Notification>(after([failed(1)])).when(Command::Succeed { channel: MAIL, attempt: 1 }).then([]);
        given::<Notification>(after([failed(1)])).when(fail(1, true)).then([]);
        given::<Notification>(after([delivered(MAIL, 1)])).when(fail(1, false)).then([]);
    }

    #[test]
    fn a_failed_attempt_is_followed_by_others_until_it_is_a_dead_letter() {
        given::<Notification>(requested()).when(fail(1, false)).then([failed(1)]);
        given::<Notification>(requested()).when(fail(1, true)).then([dead(1)]);
        let all_but_one = (1..backoff::LIMIT).map(failed);
        given::<Notification>(after(all_but_one)).when(fail(backoff::LIMIT, false)).then([dead(backoff::LIMIT)]);
    }

    #[test]
    fn a_dead_letter_that_is_tried_again_has_all_attempts_before_it_anew() {
        let retry = Command::Retry { channel: MAIL, not_before: at(99) };
        let retried = Event::NotificationRetried { learner_id: USER, channel: MAIL, not_before: at(99) };
        given::<Notification>(after([dead(4)])).when(retry.clone()).then([retried.clone()]);
        given::<Notification>(after([dead(4), retried.clone()])).when(fail(5, false)).then([failed(5)]);
        let state = Notification::fold(&after([dead(4), retried]));
        assert_eq!(state.next_attempt(MAIL), Some((5, at(99))));
        given::<Notification>(after([delivered(MAIL, 1)])).when(retry.clone()).then_refused("no dead letter on email");
        given::<Notification>([]).when(retry).then_refused("no such notification");
    }

    #[test]
    fn what_waits_can_be_put_off_suppressed_and_cancelled() {
        let later = Command::Postpone { channel: MAIL, not_before: at(300) };
        let postponed = Event::NotificationScheduled { learner_id: USER, channel: MAIL, not_before: at(300) };
        given::<Notification>(requested()).when(later).then([postponed]);
        let reason = Suppression::Unwanted;
        let suppressed = Event::NotificationSuppressed { learner_id: USER, channel: MAIL, reason };
        given::<Notification>(requested()).when(Command::Suppress { channel: MAIL, reason }).then([suppressed]);
        let cancelled = Event::NotificationCancelled { learner_id: USER };
        given::<Notification>(requested()).when(Command::Cancel).then([cancelled.clone()]);
        given::<Notification>([]).when(Command::Cancel).then([]);
        let state = Notification::fold(&after([delivered(Channel::InApp, 1), cancelled.clone()]));
        assert_eq!(state.next_attempt(MAIL), None);
        assert_eq!(state.deliveries[&Channel::InApp].stage, Stage::Delivered);
        // It went out while it was cancelled: that is told.
        given::<Notification>(after([cancelled]))
            .when(Command::Succeed { channel: MAIL, attempt: 1 })
            .then([delivered(MAIL, 1)]);
    }

    #[test]
    fn only_what_is_in_the_inbox_is_read_and_once() {
        given::<Notification>(requested()).when(Command::Read).then_refused("not in the inbox");
        let read = Event::NotificationRead { learner_id: USER };
        given::<Notification>(after([delivered(Channel::InApp, 1)])).when(Command::Read).then([read.clone()]);
        given::<Notification>(after([delivered(Channel::InApp, 1), read])).when(Command::Read).then([]);
    }
}
