//! By which channels a person wants to hear of what, and when not to be disturbed.
//!
//! Life cycle: until something is set, everything is on and the usual quiet hours hold; then set or unsubscribed from in any
//! order. Invariants: quiet hours begin and end at different times; at most 50 topics are named. An unsubscription by a
//! link in a message turns off one topic on one channel, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{channel::Channel, quiet_hours::QuietHours};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{NotificationTopic, UserId},
};

/// How many topics may be named.
const TOPICS: usize = 50;

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preferences {
    /// The channels that are on, by topic; all are on for a topic that is not named.
    pub channels: BTreeMap<NotificationTopic, BTreeSet<Channel>>,
    /// When not to be disturbed, in their own time zone; `None` for never.
    pub quiet_hours: Option<QuietHours>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { channels: BTreeMap::new(), quiet_hours: Some(QuietHours::default()) }
    }
}

impl Preferences {
    /// Whether they want to hear of `topic` by `channel`.
    pub fn allow(&self, topic: &NotificationTopic, channel: Channel) -> bool {
        self.channels.get(topic).is_none_or(|on| on.contains(&channel))
    }
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The preferences were set.
    NotificationPreferencesSet {
        /// Whose.
        learner_id: UserId,
        /// All of them, as they now are.
        preferences: Preferences,
    },
    /// A link in a message was followed to hear no more of a topic by that channel.
    NotificationTopicUnsubscribed {
        /// Who.
        learner_id: UserId,
        /// Of what.
        topic: NotificationTopic,
        /// By what.
        channel: Channel,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The preferences of a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationPreferences {
    /// What they want.
    pub preferences: Preferences,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Set all preferences.
    Set {
        /// Whose.
        learner_id: UserId,
        /// All of them.
        preferences: Preferences,
    },
    /// Hear no more of a topic by a channel.
    Unsubscribe {
        /// Who.
        learner_id: UserId,
        /// Of what.
        topic: NotificationTopic,
        /// By what.
        channel: Channel,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Quiet hours that last no time, or a whole day.
    #[error("quiet_hours begin and end at {0}: give two different times, or null for none")]
    EmptyQuietHours(String),
    /// Too many topics.
    #[error("{0} topics are named, {TOPICS} are allowed")]
    TooManyTopics(usize),
}

impl Decider for NotificationPreferences {
    const AGGREGATE: &'static str = "notification_preferences";
    const CONTEXT: &'static str = "notification";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Set { preferences, .. } if preferences == self.preferences => Ok(vec![]),
            Command::Set { learner_id, preferences } => {
                if preferences.channels.len() > TOPICS {
                    return Err(Error::TooManyTopics(preferences.channels.len()));
                }
                match preferences.quiet_hours {
                    Some(quiet) if quiet.from == quiet.to => Err(Error::EmptyQuietHours(quiet.from.to_string())),
                    _ => Ok(vec![Event::NotificationPreferencesSet { learner_id, preferences }]),
                }
            }
            Command::Unsubscribe { topic, channel, .. } if !self.preferences.allow(&topic, channel) => Ok(vec![]),
            Command::Unsubscribe { learner_id, topic, channel } => {
                Ok(vec![Event::NotificationTopicUnsubscribed { learner_id, topic, channel }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::NotificationPreferencesSet { preferences, .. } => self.preferences = preferences.clone(),
            Event::NotificationTopicUnsubscribed { topic, channel, .. } => {
                let all = || <Channel as strum::VariantArray>::VARIANTS.iter().copied().collect();
                self.preferences.channels.entry(topic.clone()).or_insert_with(all).remove(channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    const USER: UserId = UserId(Uuid::from_u128(1));

    fn topic(name: &str) -> NotificationTopic {
        name.parse().expect("a topic")
    }

    fn preferences(on: &[Channel], quiet: Option<(&str, &str)>) -> Preferences {
        let time = |text: &str| text.parse().expect("a time");
        Preferences {
            channels: [(topic("lessons"), on.iter().copied().collect())].into(),
            quiet_hours: quiet.map(|(from, to)| QuietHours { from: time(from), to: time(to) }),
        }
    }

    fn set(preferences: &Preferences) -> Command {
        Command::Set { learner_id: USER, preferences: preferences.clone() }
    }

    fn was_set(preferences: &Preferences) -> Event {
        Event::NotificationPreferencesSet { learner_id: USER, preferences: preferences.clone() }
    }

    #[test]
    fn preferences_are_set_whole_and_the_same_ones_change_nothing() {
        let wanted = preferences(&[Channel::InApp], Some(("22:00", "07:00")));
        given::<NotificationPreferences>([]).when(set(&wanted)).then([was_set(&wanted)]);
        given::<NotificationPreferences>([was_set(&wanted)]).when(set(&wanted)).then([]);
        given::<NotificationPreferences>([]).when(set(&Preferences::default())).then([]);
    }

    #[test]
    fn quiet_hours_must_end() {
        let wanted = preferences(&[], Some(("07:00", "07:00")));
        given::<NotificationPreferences>([]).when(set(&wanted)).then_refused("two different times");
    }

    #[test]
    fn a_link_turns_off_one_topic_on_one_channel() {
        let (learner_id, channel) = (USER, Channel::Email);
        let unsubscribed = Event::NotificationTopicUnsubscribed { learner_id, topic: topic("lessons"), channel };
        given::<NotificationPreferences>([])
            .when(Command::Unsubscribe { learner_id, topic: topic("lessons"), channel })
            .then([unsubscribed.clone()]);
        let state = NotificationPreferences::fold([&unsubscribed]);
        assert!(!state.preferences.allow(&topic("lessons"), Channel::Email));
        assert!(state.preferences.allow(&topic("lessons"), Channel::InApp));
        assert!(state.preferences.allow(&topic("levels"), Channel::Email));
    }
}
