//! The webhooks of a tenant: partner systems that want to be told of events.
//!
//! Life cycle of each: created, then deleted. What it is told are events of the log as they are, by their type; those of
//! this context are not told, since telling them would cause more of them. Invariants: at most 50 a tenant, each for 1 to 50
//! types of events that the log has. URL and secret are sealed under a key of the webhook's own, for a URL is often a
//! secret itself. An operator has a delivery that was given up replayed: one replay for each time that it was given up.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Sealed,
    any::AGGREGATES,
    decider::{Decider, DomainEvent},
    ids::{WebhookId, derive_id},
};

/// How many webhooks a tenant may have, and how many types of events each.
pub const LIMIT: usize = 50;

/// The id of the aggregate of a tenant.
pub fn id_of(tenant: &str) -> Uuid {
    derive_id(&["webhooks", tenant])
}

/// Whether events of this type can be told: they are of the log, and not about notifications.
pub fn can_be_told(event_type: &str) -> bool {
    AGGREGATES.iter().any(|it| it.context != Webhooks::CONTEXT && it.event_types.contains(&event_type))
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A partner system is to be told of events from now on.
    WebhookCreated {
        /// The webhook.
        webhook_id: WebhookId,
        /// Types of the events that are told.
        event_types: BTreeSet<String>,
        /// Where they are sent, sealed.
        url: Sealed,
        /// What they are signed with, sealed.
        secret: Sealed,
    },
    /// It is told of nothing more.
    WebhookDeleted {
        /// The webhook.
        webhook_id: WebhookId,
    },
    /// A delivery that was given up is to be tried again.
    WebhookDeliveryReplayed {
        /// The webhook.
        webhook_id: WebhookId,
        /// The event that is told: its position in the log.
        position: i64,
        /// How often it was tried before.
        attempts: u32,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Types of the events that are told.
    pub event_types: BTreeSet<String>,
    /// Where they are sent, sealed.
    pub url: Sealed,
    /// What they are signed with, sealed.
    pub secret: Sealed,
    /// The latest replay: position and attempts before it.
    pub replayed: Option<(i64, u32)>,
}

/// The webhooks of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhooks {
    /// Those that are not deleted.
    pub webhooks: BTreeMap<WebhookId, Webhook>,
    /// Those that were.
    pub deleted: BTreeSet<WebhookId>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Tell a partner system of events.
    Create {
        /// The new webhook.
        webhook_id: WebhookId,
        /// Of which types.
        event_types: BTreeSet<String>,
        /// Where, sealed.
        url: Sealed,
        /// What to sign with, sealed.
        secret: Sealed,
    },
    /// Tell it nothing more.
    Delete {
        /// The webhook.
        webhook_id: WebhookId,
    },
    /// Try a delivery again that was given up.
    Replay {
        /// The webhook.
        webhook_id: WebhookId,
        /// The event.
        position: i64,
        /// How often it was tried.
        attempts: u32,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such webhook.
    #[error("there is no webhook {0}: list those that there are")]
    NoSuchWebhook(WebhookId),
    /// A type of events that cannot be told.
    #[error("events of the type '{0}' cannot be told: give types such as 'LessonCompleted', none about notifications")]
    UnknownEventType(String),
    /// None, or too many types.
    #[error("{0} types of events are named: give 1 to {LIMIT}")]
    EventTypes(usize),
    /// Too many webhooks.
    #[error("there are {0} webhooks already, as many as are allowed: delete one first")]
    TooMany(usize),
}

impl Webhooks {
    /// Those that are told of events of this type.
    pub fn told_of<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = WebhookId> + 'a {
        let told = |it: &Webhook| it.event_types.contains(event_type) && can_be_told(event_type);
        self.webhooks.iter().filter(move |(_, webhook)| told(webhook)).map(|(id, _)| *id)
    }
}

impl Decider for Webhooks {
    const AGGREGATE: &'static str = "webhooks";
    const CONTEXT: &'static str = "notification";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Create { webhook_id, .. }
                if self.webhooks.contains_key(&webhook_id) || self.deleted.contains(&webhook_id) =>
            {
                Ok(vec![])
            }
            Command::Create { webhook_id, event_types, url, secret } => {
                if self.webhooks.len() >= LIMIT {
                    return Err(Error::TooMany(self.webhooks.len()));
                }
                if event_types.is_empty() || event_types.len() > LIMIT {
                    return Err(Error::EventTypes(event_types.len()));
                }
                if let Some(unknown) = event_types.iter().find(|it| !can_be_told(it)) {
                    return Err(Error::UnknownEventType(unknown.chars().take(80).collect()));
                }
                Ok(vec![Event::WebhookCreated { webhook_id, event_types, url, secret }])
            }
            Command::Delete { webhook_id } if self.deleted.contains(&webhook_id) => Ok(vec![]),
            Command::Delete { webhook_id } if self.webhooks.contains_key(&webhook_id) => {
                Ok(vec![Event::WebhookDeleted { webhook_id }])
            }
            Command::Replay { webhook_id, position, attempts } if self.webhooks.contains_key(&webhook_id) => {
                let done = self.webhooks[&webhook_id].replayed == Some((position, attempts));
                let replayed = Event::WebhookDeliveryReplayed { webhook_id, position, attempts };
                Ok((!done).then_some(replayed).into_iter().collect())
            }
            Command::Delete { webhook_id } | Command::Replay { webhook_id, .. } => {
                Err(Error::NoSuchWebhook(webhook_id))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::WebhookCreated { webhook_id, event_types, url, secret } => {
                let (event_types, url, secret) = (event_types.clone(), url.clone(), secret.clone());
                self.webhooks.insert(*webhook_id, Webhook { event_types, url, secret, replayed: None });
            }
            Event::WebhookDeleted { webhook_id } => {
                self.webhooks.remove(webhook_id);
                self.deleted.insert(*webhook_id);
            }
            Event::WebhookDeliveryReplayed { webhook_id, position, attempts } => {
                if let Some(webhook) = self.webhooks.get_mut(webhook_id) {
                    webhook.replayed = Some((*position, *attempts));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    const ID: WebhookId = WebhookId(Uuid::from_u128(1));

    fn sealed() -> Sealed {
        Sealed { key_id: Uuid::from_u128(2), nonce: "bm9uY2U=".into(), ciphertext: "dGV4dA==".into() }
    }

    fn types(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn create(names: &[&str]) -> Command {
        Command::Create { webhook_id: ID, event_types: types(names), url: sealed(), secret: sealed() }
    }

    fn created() -> Event {
        let event_types = types(&["LessonCompleted"]);
        Event::WebhookCreated { webhook_id: ID, event_types, url: sealed(), secret: sealed() }
    }

    #[test]
    fn a_webhook_is_created_and_deleted_once() {
        given::<Webhooks>([]).when(create(&["LessonCompleted"])).then([created()]);
        let deleted = Event::WebhookDeleted { webhook_id: ID };
        given::<Webhooks>([created()]).when(Command::Delete { webhook_id: ID }).then([deleted.clone()]);
        given::<Webhooks>([created(), deleted]).when(create(&["LessonCompleted"])).then([]);
        given::<Webhooks>([]).when(Command::Delete { webhook_id: ID }).then_refused("no webhook");
    }

    #[test]
    fn it_is_told_of_events_that_there_are_and_never_of_notifications() {
        given::<Webhooks>([]).when(create(&["LessonFlown"])).then_refused("'LessonFlown' cannot be told");
        given::<Webhooks>([]).when(create(&["NotificationDelivered"])).then_refused("none about notifications");
        given::<Webhooks>([]).when(create(&[])).then_refused("give 1 to 50");
        let state = Webhooks::fold([&created()]);
        assert_eq!(state.told_of("LessonCompleted").collect::<Vec<_>>(), [ID]);
        assert_eq!(state.told_of("LessonStarted").count(), 0);
    }

    #[test]
    fn each_time_that_a_delivery_was_given_up_it_can_be_replayed_once() {
        let replay = |attempts| Command::Replay { webhook_id: ID, position: 7, attempts };
        let replayed = |attempts| Event::WebhookDeliveryReplayed { webhook_id: ID, position: 7, attempts };
        given::<Webhooks>([created()]).when(replay(10)).then([replayed(10)]);
        given::<Webhooks>([created(), replayed(10)]).when(replay(20)).then([replayed(20)]);
        given::<Webhooks>([]).when(replay(10)).then_refused("no webhook");
    }
}
