//! What an aggregate is: a pure function from state and command to events, and one from state and event to state.
//!
//! The shape is Jérémie Chassaing's decider. Two laws hold for every implementation, and [`crate::spec`]
//! checks the first after every test:
//!
//! 1. A command decided again on the state that its own events led to decides nothing: `Ok(vec![])`.
//!    That is what makes a redelivered command harmless.
//! 2. `evolve` cannot fail and has no `_` arm, so that a new event cannot be forgotten.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// An enum of the events of one aggregate. Its serde form is the storage format.
pub trait DomainEvent:
    Serialize + DeserializeOwned + JsonSchema + strum::VariantNames + Clone + PartialEq + Debug + Send + Sync + 'static
{
    /// The current version of each event type that is past version 1.
    const VERSIONS: &'static [(&'static str, u16)] = &[];

    /// The name of this event: the variant's name, and the tag under which it is stored.
    fn event_type(&self) -> &'static str;

    /// The version that this build writes for `event_type`, or `None` for a type that is not of this enum.
    fn current_version(event_type: &str) -> Option<u16> {
        Self::VARIANTS
            .contains(&event_type)
            .then(|| Self::VERSIONS.iter().find(|(name, _)| *name == event_type).map_or(1, |(_, version)| *version))
    }
}

/// An aggregate: all of its rules, and the least state that they need.
pub trait Decider: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The aggregate type in the log, for instance `lesson`. Never changes once published.
    const AGGREGATE: &'static str;
    /// The context that the aggregate belongs to, for instance `learning`: a folder in every crate.
    const CONTEXT: &'static str;
    /// The version of the state's serde form. Raise it when the state changes shape; older snapshots are then ignored.
    const SNAPSHOT_VERSION: u16 = 1;

    /// What can be asked of the aggregate.
    type Command: Clone + Debug + Send;
    /// What can have happened to it.
    type Event: DomainEvent;
    /// Why it refuses.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Decides what happens. Holds every rule of the aggregate.
    ///
    /// # Errors
    /// The rule that the command would break.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// Takes an event that has happened into the state.
    fn evolve(&mut self, event: &Self::Event);

    /// Lifts a stored payload of `version` to the next version, or `None` where there is nothing to lift from.
    ///
    /// `payload` is the body of the event, without its type tag.
    fn upcast(_event_type: &str, _version: u16, _payload: &Value) -> Option<Value> {
        None
    }

    /// Folds events into a state.
    fn fold<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.evolve(event);
        }
        state
    }
}
