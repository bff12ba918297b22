//! What a process is.

use std::time::Duration;

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{AnyEvent, Recorded};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What a process wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a command. The step names it within its instance and event.
    Send {
        /// The step.
        step: &'static str,
        /// The command.
        command: ProcessCommand,
    },
    /// Send a command when the clock has come to a moment, which may be past. A timer of this name that the instance has set
    /// before, and that has not gone off, is set anew.
    Schedule {
        /// The timer's name within its instance.
        timer: &'static str,
        /// When it goes off.
        at: DateTime<Utc>,
        /// The command.
        command: ProcessCommand,
    },
    /// Take a timer back. One that has gone off is a command, and is sent.
    Unschedule {
        /// The timer's name within its instance.
        timer: &'static str,
    },
    /// The instance is done.
    Finish,
}

/// A process manager. Pure: reactions depend on the state of the instance and the event alone.
pub trait Process: 'static {
    /// Its name. Never changes once instances exist.
    const NAME: &'static str;
    /// How long an instance may go without getting on while the process runs; `None` for one that never ends.
    const TIMEOUT: Option<Duration>;
    /// Types of the events that it reacts to. It is not shown others, so it cannot be stopped by one of them that this
    /// build cannot read.
    const EVENTS: &'static [&'static str];
    /// What an instance remembers.
    type State: Default + Serialize + DeserializeOwned;

    /// The instance that an event concerns, if any.
    fn instance(event: &Recorded<AnyEvent>) -> Option<String>;

    /// What follows from an event.
    fn react(state: &Self::State, event: &Recorded<AnyEvent>) -> Vec<Effect>;

    /// Takes the event into the state.
    fn evolve(state: &mut Self::State, event: &Recorded<AnyEvent>);
}

/// The new state, `None` where there is nothing to remember of an instance that was not known, and what follows.
type React = fn(Option<Value>, &Recorded<AnyEvent>) -> Result<(Option<Value>, Vec<Effect>), serde_json::Error>;

/// A process without its types, for the runner.
#[derive(Clone, Copy)]
pub struct Erased {
    pub(crate) name: &'static str,
    pub(crate) timeout: Option<Duration>,
    pub(crate) events: &'static [&'static str],
    pub(crate) instance: fn(&Recorded<AnyEvent>) -> Option<String>,
    pub(crate) react: React,
}

impl Erased {
    /// The process `P`.
    pub fn of<P: Process>() -> Self {
        Self { name: P::NAME, timeout: P::TIMEOUT, events: P::EVENTS, instance: P::instance, react: react::<P> }
    }
}

fn react<P: Process>(
    state: Option<Value>,
    event: &Recorded<AnyEvent>,
) -> Result<(Option<Value>, Vec<Effect>), serde_json::Error> {
    let is_known = state.is_some();
    let mut state: P::State = state.map(serde_json::from_value).transpose()?.unwrap_or_default();
    let effects = P::react(&state, event);
    P::evolve(&mut state, event);
    let state = serde_json::to_value(&state)?;
    let is_worth_a_row = is_known || !effects.is_empty() || state != serde_json::to_value(P::State::default())?;
    Ok((is_worth_a_row.then_some(state), effects))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use chrono::DateTime;
    use uuid::Uuid;

    /// An event at a position of the log.
    pub(crate) fn recorded(position: i64, event: impl Into<AnyEvent>) -> Recorded<AnyEvent> {
        let payload = event.into();
        Recorded {
            position,
            event_id: Uuid::from_u128(position.unsigned_abs().into()),
            aggregate_type: payload.aggregate_type().to_owned(),
            aggregate_id: "test".to_owned(),
            sequence: 1,
            event_type: payload.event_type().to_owned(),
            event_version: 1,
            tenant: "main".to_owned(),
            actor: "test".to_owned(),
            correlation_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            recorded_at: DateTime::UNIX_EPOCH,
            payload,
        }
    }

    /// The effects of a history, event by event.
    pub(crate) fn play<P: Process>(history: &[Recorded<AnyEvent>]) -> Vec<Vec<Effect>> {
        let mut state = P::State::default();
        let mut effects = vec![];
        for event in history {
            if P::instance(event).is_some() {
                assert!(P::EVENTS.contains(&event.event_type.as_str()), "{} is not shown it", P::NAME);
                effects.push(P::react(&state, event));
                P::evolve(&mut state, event);
            }
        }
        effects
    }
}
