//! Given/when/then for aggregates.
//!
//! ```
//! use baeum_domain::{identity::user::{Command, Event, Role, User}, spec::given};
//! # use baeum_domain::identity::user::samples::registered;
//! given::<User>([registered()])
//!     .when(Command::GrantRole { role: Role::Auditor })
//!     .then([Event::RoleGranted { role: Role::Auditor }]);
//! ```

use crate::decider::Decider;

/// The history that a decision starts from.
pub struct Given<D: Decider> {
    state: D,
}

/// A decision to be checked.
pub struct When<D: Decider> {
    state: D,
    command: D::Command,
    outcome: Result<Vec<D::Event>, D::Error>,
}

/// Starts from `history`.
pub fn given<D: Decider>(history: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let mut state = D::default();
    for event in history {
        state.evolve(&event);
    }
    Given { state }
}

impl<D: Decider> Given<D> {
    /// Decides `command`.
    #[must_use]
    pub fn when(self, command: D::Command) -> When<D> {
        let outcome = self.state.decide(command.clone());
        When { state: self.state, command, outcome }
    }
}

impl<D: Decider> When<D> {
    /// Expects exactly these events, and that the same command then decides nothing more.
    ///
    /// # Panics
    /// When the decision differs, or when deciding again would add events.
    pub fn then(mut self, expected: impl IntoIterator<Item = D::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.outcome {
            Ok(events) => assert_eq!(events, expected, "the decision differs from what was expected"),
            Err(error) => panic!("expected {expected:?}, but the command was refused: {error}"),
        }
        for event in &expected {
            self.state.evolve(event);
        }
        match self.state.decide(self.command.clone()) {
            Ok(again) => assert_eq!(again, vec![], "deciding {:?} again must add nothing", self.command),
            Err(error) => panic!("deciding {:?} again must add nothing, but was refused: {error}", self.command),
        }
    }

    /// Expects a refusal whose text holds `part`.
    ///
    /// # Panics
    /// When the command was accepted, or was refused with another text.
    pub fn then_refused(self, part: &str) {
        match self.outcome {
            Ok(events) => panic!("expected a refusal with '{part}', but it decided {events:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(part), "expected a refusal with '{part}', but it was: {text}");
            }
        }
    }
}
