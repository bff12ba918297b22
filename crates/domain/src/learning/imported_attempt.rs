//! An attempt that a learner made in another system, before or beside this one.
//!
//! Life cycle: imported, and that is all. The id is derived from the source and the key of its row, so that the row is
//! known again. Invariants: an attempt never changes: the same row is imported once, and one with the same key and
//! other values is refused; it happened before it was imported.
//!
//! Nothing in it names a person: learner and attempt are pseudonyms, and what was answered is left out.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::{ImportId, ImportedAttemptId, Source, UserId},
    level::Skill,
    text::{self, TextError},
};

/// How long the name of an item may be, in characters.
pub const ITEM_LIMIT: usize = 200;
/// How long an attempt may have taken: a day, in milliseconds.
pub const DURATION_LIMIT: u32 = 24 * 60 * 60 * 1000;

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// An attempt of another system was taken over.
    AttemptImported(Attempt),
}

/// An attempt of another system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Attempt {
    /// The attempt, derived from its row's key under a secret of the source.
    pub attempt_id: ImportedAttemptId,
    /// The import that brought it first.
    pub import_id: ImportId,
    /// The system that it comes from.
    pub source: Source,
    /// Who made it: a pseudonym, derived from the learner's name in the source under a secret of the source.
    pub learner_id: UserId,
    /// What was attempted, as the source names it.
    pub item: String,
    /// The skill that it trains or tests, where the source tells.
    pub skill: Option<Skill>,
    /// When it was made, by the source.
    pub occurred_at: DateTime<Utc>,
    /// How good it was, 0 to 1.
    pub score: f64,
    /// Whether it counts as right, where the source tells or a pass mark is known.
    pub correct: Option<bool>,
    /// How long it took, in milliseconds, where the source tells.
    pub duration_ms: Option<u32>,
    /// How many words the answer had, where the source has the answer; the answer itself is left out.
    pub words: Option<u32>,
    /// Digest of the values of the row under a secret of the source: tells a row that has changed.
    pub digest: String,
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// An imported attempt, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportedAttempt {
    /// Digest of its values, once imported.
    pub digest: Option<String>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take an attempt over.
    Import {
        /// The attempt.
        attempt: Attempt,
        /// When it is taken over.
        now: DateTime<Utc>,
    },
}

/// Why an attempt is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The name of the item says nothing, or too much.
    #[error("item: {0}")]
    Item(#[from] TextError),
    /// The score is none.
    #[error("the score is {0}: it must be from 0 to 1, see `from` and `to` of the specification")]
    Score(f64),
    /// It took longer than a day.
    #[error("it took {0} ms, which is more than a day: is the unit right?")]
    Duration(u32),
    /// It has not happened yet.
    #[error("it happened at {0}, which is yet to come: is the time zone right?")]
    Future(DateTime<Utc>),
    /// A row with the same key and other values was imported before.
    #[error("a row with the same key and other values was imported before: an attempt does not change")]
    Changed,
}

impl Decider for ImportedAttempt {
    const AGGREGATE: &'static str = "imported_attempt";
    const CONTEXT: &'static str = "learning";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Import { attempt, now } = command;
        match &self.digest {
            Some(digest) if *digest == attempt.digest => return Ok(vec![]),
            Some(_) => return Err(Error::Changed),
            None => {}
        }
        text::check(&attempt.item, ITEM_LIMIT)?;
        if !(0.0..=1.0).contains(&attempt.score) {
            return Err(Error::Score(attempt.score));
        }
        if let Some(duration) = attempt.duration_ms.filter(|it| *it > DURATION_LIMIT) {
            return Err(Error::Duration(duration));
        }
        if attempt.occurred_at > now {
            return Err(Error::Future(attempt.occurred_at));
        }
        Ok(vec![Event::AttemptImported(attempt)])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::AttemptImported(attempt) => self.digest = Some(attempt.digest.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    fn attempt() -> Attempt {
        Attempt {
            attempt_id: ImportedAttemptId(Uuid::from_u128(1)),
            import_id: ImportId(Uuid::from_u128(2)),
            source: "old-lms".parse().expect("a source"),
            learner_id: UserId(Uuid::from_u128(3)),
            item: "Q7".into(),
            skill: Some(Skill::Reading),
            occurred_at: "2024-03-01T09:00:00Z".parse().expect("a moment"),
            score: 0.5,
            correct: Some(false),
            duration_ms: Some(4_000),
            words: None,
            digest: "d".into(),
        }
    }

    fn import(attempt: Attempt) -> Command {
        Command::Import { attempt, now: "2026-03-01T09:00:00Z".parse().expect("a moment") }
    }

    #[test]
    fn an_attempt_is_imported_once_whichever_file_brings_it() {
        given::<ImportedAttempt>([]).when(import(attempt())).then([Event::AttemptImported(attempt())]);
        let again = Attempt { import_id: ImportId(Uuid::from_u128(9)), ..attempt() };
        given::<ImportedAttempt>([Event::AttemptImported(attempt())]).when(import(again)).then([]);
    }

    #[test]
    fn an_attempt_does_not_change() {
        let changed = Attempt { digest: "other".into(), ..attempt() };
        given::<ImportedAttempt>([Event::AttemptImported(attempt())])
            .when(import(changed))
            .then_refused("other values");
    }

    #[test]
    fn what_cannot_have_happened_is_refused() {
        let refused = |attempt, part| given::<ImportedAttempt>([]).when(import(attempt)).then_refused(part);
        refused(Attempt { score: 1.5, ..attempt() }, "from 0 to 1");
        refused(Attempt { score: f64::NAN, ..attempt() }, "from 0 to 1");
        refused(Attempt { duration_ms: Some(DURATION_LIMIT + 1), ..attempt() }, "is the unit right");
        refused(Attempt { item: " ".into(), ..attempt() }, "item: the text is empty");
        refused(Attempt { item: "x".repeat(ITEM_LIMIT + 1), ..attempt() }, "201 characters");
        let future = "2026-03-01T09:00:01Z".parse().expect("a moment");
        refused(Attempt { occurred_at: future, ..attempt() }, "is the time zone right");
    }
}
