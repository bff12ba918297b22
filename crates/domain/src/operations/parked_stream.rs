//! What an operator decided about a stream that a read model could not take in any further.
//!
//! Life cycle: a read model parks a stream at an event; an operator has that event retried, or skipped. The deed is an
//! event, and the read model does it when it meets it in the log: so it is known who did it, and a read model that is
//! derived again comes out the same. Invariants: one retry an attempt; an event is skipped once, with a reason.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::derive_id,
    text::{self, TextError},
};

/// How long a reason may be.
pub const REASON_LIMIT: usize = 500;

/// The id of the deeds about the stream `key` of a read model.
pub fn id_of(projection: &str, key: &str) -> Uuid {
    derive_id(&["parked_stream", projection, key])
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The read model is to try again.
    ParkedStreamRetried {
        /// The read model.
        projection: String,
        /// The stream, by the key under which the read model keeps its events in order.
        key: String,
        /// Position of the event that it stands at.
        position: i64,
        /// How often that event was tried before.
        attempts: u32,
    },
    /// The read model is to go on without one event.
    ParkedEventSkipped {
        /// The read model.
        projection: String,
        /// The stream.
        key: String,
        /// Position of the event that is left out.
        position: i64,
        /// Why.
        reason: String,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The deeds about a stream, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParkedStream {
    /// The latest retry: position and attempts before it.
    pub retried: Option<(i64, u32)>,
    /// Positions that were skipped.
    pub skipped: BTreeSet<i64>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Try again.
    Retry {
        /// The read model.
        projection: String,
        /// The stream.
        key: String,
        /// Where it stands.
        position: i64,
        /// How often that was tried.
        attempts: u32,
    },
    /// Leave an event out.
    Skip {
        /// The read model.
        projection: String,
        /// The stream.
        key: String,
        /// Where it stands.
        position: i64,
        /// Why.
        reason: String,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The reason says nothing, or too much.
    #[error("reason: {0}")]
    Reason(#[from] TextError),
}

impl Decider for ParkedStream {
    const AGGREGATE: &'static str = "parked_stream";
    const CONTEXT: &'static str = "operations";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Retry { position, attempts, .. }
                if self.retried == Some((position, attempts)) || self.skipped.contains(&position) =>
            {
                Ok(vec![])
            }
            Command::Retry { projection, key, position, attempts } => {
                Ok(vec![Event::ParkedStreamRetried { projection, key, position, attempts }])
            }
            Command::Skip { position, .. } if self.skipped.contains(&position) => Ok(vec![]),
            Command::Skip { projection, key, position, reason } => {
                let reason = text::check(&reason, REASON_LIMIT)?.to_owned();
                Ok(vec![Event::ParkedEventSkipped { projection, key, position, reason }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ParkedStreamRetried { position, attempts, .. } => self.retried = Some((*position, *attempts)),
            Event::ParkedEventSkipped { position, .. } => {
                self.skipped.insert(*position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    fn retry(attempts: u32) -> Command {
        Command::Retry { projection: "progress".into(), key: "mina".into(), position: 7, attempts }
    }

    fn retried(attempts: u32) -> Event {
        Event::ParkedStreamRetried { projection: "progress".into(), key: "mina".into(), position: 7, attempts }
    }

    fn skip(reason: &str) -> Command {
        Command::Skip { projection: "progress".into(), key: "mina".into(), position: 7, reason: reason.into() }
    }

    fn skipped(reason: &str) -> Event {
        Event::ParkedEventSkipped {
            projection: "progress".into(),
            key: "mina".into(),
            position: 7,
            reason: reason.into(),
        }
    }

    #[test]
    fn each_failed_attempt_can_be_retried_once() {
        given::<ParkedStream>([]).when(retry(1)).then([retried(1)]);
        given::<ParkedStream>([retried(1)]).when(retry(1)).then([]);
        given::<ParkedStream>([retried(1)]).when(retry(2)).then([retried(2)]);
    }

    #[test]
    fn an_event_is_skipped_once_and_with_a_reason() {
        given::<ParkedStream>([retried(1)]).when(skip(" a test account ")).then([skipped("a test account")]);
        given::<ParkedStream>([skipped("a test account")]).when(skip("another reason")).then([]);
        given::<ParkedStream>([skipped("a test account")]).when(retry(1)).then([]);
        given::<ParkedStream>([]).when(skip(" ")).then_refused("write at least one word");
    }
}
