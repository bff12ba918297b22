//! One file of attempts of another system, brought into the log.
//!
//! Life cycle: started, then completed. The attempts themselves are aggregates of their own, see
//! [`super::imported_attempt`]. The id is derived from source, file and specification, so that the same file is known
//! again. Invariants: an import that was not completed may be begun again, which decides nothing; a later run over the
//! same file is told only where it brought something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::{ImportId, Source},
};

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A file was begun.
    ImportStarted {
        /// The import.
        import_id: ImportId,
        /// The system that the file comes from.
        source: Source,
        /// SHA-256 of the file, in hexadecimal.
        file_digest: String,
        /// SHA-256 of the specification, in hexadecimal.
        spec_digest: String,
    },
    /// Every row of it was looked at.
    ImportCompleted {
        /// The import.
        import_id: ImportId,
        /// What became of the rows.
        tally: Tally,
    },
}

/// What became of the rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Rows of the file.
    pub rows: u64,
    /// Of them appended.
    pub imported: u64,
    /// Of them in the log already.
    pub unchanged: u64,
    /// Of them left out, each with its reason.
    pub rejected: u64,
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// An import, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// Set once started.
    pub import_id: Option<ImportId>,
    /// What became of the rows, once completed: of the latest run that brought something.
    pub completed: Option<Tally>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin a file.
    Start {
        /// The import.
        import_id: ImportId,
        /// Where it comes from.
        source: Source,
        /// SHA-256 of the file, in hexadecimal.
        file_digest: String,
        /// SHA-256 of the specification, in hexadecimal.
        spec_digest: String,
    },
    /// Every row was looked at.
    Complete(Tally),
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was never started.
    #[error("the import was not started: start it first")]
    NotStarted,
}

impl Decider for Import {
    const AGGREGATE: &'static str = "import";
    const CONTEXT: &'static str = "learning";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, self.import_id) {
            (Command::Start { .. }, Some(_)) => Ok(vec![]),
            (Command::Start { import_id, source, file_digest, spec_digest }, None) => {
                Ok(vec![Event::ImportStarted { import_id, source, file_digest, spec_digest }])
            }
            (Command::Complete(_), None) => Err(Error::NotStarted),
            (Command::Complete(tally), Some(import_id)) => {
                let known = self.completed.is_some_and(|earlier| earlier == tally || tally.imported == 0);
                Ok(if known { vec![] } else { vec![Event::ImportCompleted { import_id, tally }] })
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ImportStarted { import_id, .. } => self.import_id = Some(*import_id),
            Event::ImportCompleted { tally, .. } => self.completed = Some(*tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    const IMPORT: ImportId = ImportId(Uuid::from_u128(1));

    fn start() -> Command {
        Command::Start {
            import_id: IMPORT,
            source: "old-lms".parse().expect("a source"),
            file_digest: "f".into(),
            spec_digest: "s".into(),
        }
    }

    fn started() -> Event {
        Event::ImportStarted {
            import_id: IMPORT,
            source: "old-lms".parse().expect("a source"),
            file_digest: "f".into(),
            spec_digest: "s".into(),
        }
    }

    fn completed(imported: u64, unchanged: u64) -> Event {
        Event::ImportCompleted { import_id: IMPORT, tally: tally(imported, unchanged) }
    }

    fn tally(imported: u64, unchanged: u64) -> Tally {
        Tally { rows: imported + unchanged, imported, unchanged, rejected: 0 }
    }

    #[test]
    fn a_file_is_started_once_and_can_be_gone_on_with() {
        given::<Import>([]).when(start()).then([started()]);
        given::<Import>([started()]).when(start()).then([]);
    }

    #[test]
    fn a_file_that_brings_nothing_new_is_not_told_again() {
        given::<Import>([started()]).when(Command::Complete(tally(0, 2))).then([completed(0, 2)]);
        given::<Import>([started(), completed(2, 0)]).when(Command::Complete(tally(0, 2))).then([]);
        given::<Import>([started(), completed(2, 0)]).when(Command::Complete(tally(1, 2))).then([completed(1, 2)]);
        given::<Import>([]).when(Command::Complete(tally(1, 0))).then_refused("start it first");
    }
}
