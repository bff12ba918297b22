//! The clock of a platform on which time is travelled: it stands still, and moves when somebody moves it.
//!
//! Life cycle: begun at a moment; advanced, as often as wanted. The deed is an event, so that every process of the platform
//! learns of it from the log, in order, and again after a restart. Invariant: time goes forwards only.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::derive_id,
    recorded::Recorded,
};

/// The id of the only clock that a log has.
pub fn id() -> Uuid {
    derive_id(&["simulated_clock"])
}

/// The moment at which a stored event has the clock stand, if it is one that does.
pub fn moment_of(event: &Recorded<Value>) -> Option<DateTime<Utc>> {
    if event.aggregate_type != SimulatedClock::AGGREGATE {
        return None;
    }
    match serde_json::from_value(event.payload.clone()).ok()? {
        Event::ClockBegun { at } => Some(at),
        Event::ClockAdvanced { to } => Some(to),
    }
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The clock stands from now on.
    ClockBegun {
        /// At this moment.
        at: DateTime<Utc>,
    },
    /// It was moved.
    ClockAdvanced {
        /// To this moment.
        to: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The clock, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SimulatedClock {
    /// The moment at which it stands, once begun.
    pub now: Option<DateTime<Utc>>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have it stand, where it does not yet.
    Begin {
        /// At this moment.
        at: DateTime<Utc>,
    },
    /// Move it.
    Advance {
        /// To this moment.
        to: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody has it stand.
    #[error("the clock of this platform goes by itself: start it with BAEUM_CLOCK=travel to move it")]
    NotTravelling,
    /// Time goes forwards only.
    #[error("the clock stands at {now} and cannot go back to {to}: give a later moment")]
    Backwards {
        /// Where it stands.
        now: DateTime<Utc>,
        /// Where it was to go.
        to: DateTime<Utc>,
    },
}

impl Decider for SimulatedClock {
    const AGGREGATE: &'static str = "simulated_clock";
    const CONTEXT: &'static str = "operations";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, self.now) {
            (Command::Begin { at }, None) => Ok(vec![Event::ClockBegun { at }]),
            (Command::Begin { .. }, Some(_)) => Ok(vec![]),
            (Command::Advance { .. }, None) => Err(Error::NotTravelling),
            (Command::Advance { to }, Some(now)) if to == now => Ok(vec![]),
            (Command::Advance { to }, Some(now)) if to < now => Err(Error::Backwards { now, to }),
            (Command::Advance { to }, Some(_)) => Ok(vec![Event::ClockAdvanced { to }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.now = Some(match event {
            Event::ClockBegun { at } => *at,
            Event::ClockAdvanced { to } => *to,
        });
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::spec::given;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    #[test]
    fn a_clock_stands_once_and_then_goes_forwards_only() {
        let begun = Event::ClockBegun { at: day(1) };
        given::<SimulatedClock>([]).when(Command::Begin { at: day(1) }).then([begun.clone()]);
        given::<SimulatedClock>([begun.clone()]).when(Command::Begin { at: day(9) }).then([]);
        let advanced = Event::ClockAdvanced { to: day(3) };
        given::<SimulatedClock>([begun.clone()]).when(Command::Advance { to: day(3) }).then([advanced.clone()]);
        given::<SimulatedClock>([begun, advanced]).when(Command::Advance { to: day(2) }).then_refused("cannot go back");
    }

    #[test]
    fn a_clock_that_goes_by_itself_is_not_moved() {
        given::<SimulatedClock>([]).when(Command::Advance { to: day(3) }).then_refused("BAEUM_CLOCK=travel");
    }
}
