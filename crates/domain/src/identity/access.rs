//! The record of who looked at the personal data of one person.
//!
//! Life cycle: an entry each time that data of theirs is opened for somebody else, or taken away as a whole. Who did it
//! and when is said by the event's own place in the log. It stays when the person is forgotten, and names nobody then.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::UserId,
};

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Category {
    /// What the person wants to be called.
    Name,
    /// Their e-mail address.
    Email,
    /// What they wrote or said.
    Answers,
    /// Everything that there is about them.
    Everything,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Personal data was opened for somebody. The event's actor is who it was.
    PersonalDataAccessed {
        /// This access.
        access_id: Uuid,
        /// Whose data.
        subject_id: UserId,
        /// What of it.
        what: BTreeSet<Category>,
        /// By which door: a route of the API, or a command of the command line.
        route: String,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The accesses to one person's data, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// The latest access.
    pub latest: Option<Uuid>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Note an access, before its data is given away.
    Note {
        /// This access.
        access_id: Uuid,
        /// Whose data.
        subject_id: UserId,
        /// What of it.
        what: BTreeSet<Category>,
        /// By which door.
        route: String,
    },
}

/// Nothing is refused: an access that happens is noted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

impl Decider for Access {
    const AGGREGATE: &'static str = "access";
    const CONTEXT: &'static str = "identity";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Note { access_id, subject_id, what, route } = command;
        if self.latest == Some(access_id) {
            return Ok(vec![]);
        }
        Ok(vec![Event::PersonalDataAccessed { access_id, subject_id, what, route }])
    }

    fn evolve(&mut self, event: &Event) {
        let Event::PersonalDataAccessed { access_id, .. } = event;
        self.latest = Some(*access_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    #[test]
    fn each_access_is_noted_once() {
        let (subject_id, what) = (UserId(Uuid::from_u128(1)), BTreeSet::from([Category::Name]));
        let route = "GET /v1/learners/{id}".to_owned();
        let access = |id| {
            let access_id = Uuid::from_u128(id);
            let (what, route) = (what.clone(), route.clone());
            (
                Command::Note { access_id, subject_id, what: what.clone(), route: route.clone() },
                Event::PersonalDataAccessed { access_id, subject_id, what, route },
            )
        };
        let ((first, noted), (second, also)) = (access(1), access(2));
        given::<Access>([]).when(first).then([noted.clone()]);
        given::<Access>([noted]).when(second).then([also]);
    }
}
