//! Forgetting one person.
//!
//! Life cycle: requested, with a time of grace in which it can be withdrawn; then erased, when the person's key is
//! destroyed and nothing that was sealed under it can be opened any more; then finished, when no copy of their rows is
//! left. Invariants: nobody is erased who was not asked to be, or before the grace is over; what is erased stays erased.
//!
//! The events of the person stay in the log, as ciphertext and ids that lead to nobody. These events stay too: they are
//! the proof of the erasure, and tell every reader of the log to forget what it had derived.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::UserId,
};

/// The longest time of grace, in days: the law gives a month.
pub const LONGEST_GRACE_DAYS: u16 = 30;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Requester {
    /// The person themselves.
    Subject,
    /// An administrator of their tenant.
    Administrator,
    /// Whoever operates the platform.
    Operator,
}

/// Why, by the grounds of article 17 (1) of the GDPR. Not a free text: nothing personal can stand here for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ground {
    /// The data is no longer necessary for what it was collected for.
    NoLongerNeeded,
    /// The person withdraws their consent.
    ConsentWithdrawn,
    /// The person objects.
    Objection,
    /// The data was processed unlawfully.
    UnlawfulProcessing,
    /// A law demands it.
    LegalObligation,
    /// The data was collected from a child.
    CollectedFromChild,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The person is to be forgotten.
    ErasureRequested {
        /// Whom to forget.
        subject_id: UserId,
        /// Who asked.
        requested_by: Requester,
        /// Why.
        ground: Ground,
        /// When the grace ends.
        due_at: DateTime<Utc>,
    },
    /// They are not to be forgotten after all.
    ErasureWithdrawn {
        /// Who stays.
        subject_id: UserId,
    },
    /// Their key is destroyed and their credentials are gone: what was sealed for them opens no more.
    SubjectErased {
        /// Who was forgotten.
        subject_id: UserId,
        /// The keys that were destroyed.
        key_ids: Vec<Uuid>,
    },
    /// No read model, receipt, snapshot or process of the platform has a row of theirs any more.
    ErasureFinished {
        /// Who was forgotten.
        subject_id: UserId,
        /// How many streams of the log were theirs.
        streams: u64,
        /// How many events stay in those, sealed and without a name.
        events: u64,
        /// How many rows were still to be removed in the end.
        rows: u64,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Asked for; to be done when the grace is over.
    Requested {
        /// When that is.
        due_at: DateTime<Utc>,
    },
    /// Taken back.
    Withdrawn,
    /// Nothing opens any more; rows may be left.
    Erased,
    /// Nothing is left.
    Finished,
}

/// The erasure of one person, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// Set once it was asked for.
    pub standing: Option<Standing>,
}

impl Erasure {
    /// Whether nothing of the person opens any more.
    pub fn is_erased(&self) -> bool {
        matches!(self.standing, Some(Standing::Erased | Standing::Finished))
    }
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Forget a person.
    Request {
        /// Whom.
        subject_id: UserId,
        /// Who asks.
        requested_by: Requester,
        /// Why.
        ground: Ground,
        /// Days in which it can be withdrawn, 0 to [`LONGEST_GRACE_DAYS`].
        grace_days: u16,
        /// The time.
        now: DateTime<Utc>,
    },
    /// Take that back.
    Withdraw {
        /// Who stays.
        subject_id: UserId,
    },
    /// Note that their keys are destroyed.
    NoteErased {
        /// Who was forgotten.
        subject_id: UserId,
        /// The keys.
        key_ids: Vec<Uuid>,
        /// The time.
        now: DateTime<Utc>,
    },
    /// Note that nothing is left.
    NoteFinished {
        /// Who was forgotten.
        subject_id: UserId,
        /// Streams of theirs.
        streams: u64,
        /// Events in those.
        events: u64,
        /// Rows removed in the end.
        rows: u64,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The grace is too long.
    #[error("a grace of {0} days is out of range: choose 0 to 30")]
    GraceOutOfRange(u16),
    /// Nobody asked for it, or it was withdrawn.
    #[error("no erasure of this person is asked for: request one first")]
    NotRequested,
    /// It cannot be taken back.
    #[error("user {0} was erased: that cannot be taken back")]
    Erased(UserId),
    /// The grace is not over.
    #[error("the erasure is not due before {0}: wait until then")]
    NotDue(DateTime<Utc>),
    /// The keys are still there.
    #[error("user {0} is not erased yet: their key is destroyed first")]
    NotErased(UserId),
}

impl Decider for Erasure {
    const AGGREGATE: &'static str = "erasure";
    const CONTEXT: &'static str = "identity";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    #[expect(clippy::match_same_arms, reason = "a table of commands and standings, in their order")]
    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        use Standing::{Erased, Finished, Requested, Withdrawn};
        match (command, self.standing) {
            (Command::Request { .. }, Some(Requested { .. } | Erased | Finished)) => Ok(vec![]),
            (Command::Request { grace_days, .. }, _) if grace_days > LONGEST_GRACE_DAYS => {
                Err(Error::GraceOutOfRange(grace_days))
            }
            (Command::Request { subject_id, requested_by, ground, grace_days, now }, None | Some(Withdrawn)) => {
                let due_at = now + TimeDelta::days(grace_days.into());
                Ok(vec![Event::ErasureRequested { subject_id, requested_by, ground, due_at }])
            }
            (Command::Withdraw { .. }, None) => Err(Error::NotRequested),
            (Command::Withdraw { .. }, Some(Withdrawn)) => Ok(vec![]),
            (Command::Withdraw { subject_id }, Some(Requested { .. })) => {
                Ok(vec![Event::ErasureWithdrawn { subject_id }])
            }
            (Command::Withdraw { subject_id }, Some(Erased | Finished)) => Err(Error::Erased(subject_id)),
            (Command::NoteErased { .. }, None | Some(Withdrawn)) => Err(Error::NotRequested),
            (Command::NoteErased { now, .. }, Some(Requested { due_at })) if now < due_at => Err(Error::NotDue(due_at)),
            (Command::NoteErased { subject_id, key_ids, .. }, Some(Requested { .. })) => {
                Ok(vec![Event::SubjectErased { subject_id, key_ids }])
            }
            (Command::NoteErased { .. }, Some(Erased | Finished)) | (Command::NoteFinished { .. }, Some(Finished)) => {
                Ok(vec![])
            }
            (Command::NoteFinished { subject_id, streams, events, rows }, Some(Erased)) => {
                Ok(vec![Event::ErasureFinished { subject_id, streams, events, rows }])
            }
            (Command::NoteFinished { subject_id, .. }, _) => Err(Error::NotErased(subject_id)),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.standing = Some(match event {
            Event::ErasureRequested { due_at, .. } => Standing::Requested { due_at: *due_at },
            Event::ErasureWithdrawn { .. } => Standing::Withdrawn,
            Event::SubjectErased { .. } => Standing::Erased,
            Event::ErasureFinished { .. } => Standing::Finished,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    const MINA: UserId = UserId(Uuid::from_u128(1));

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn request(grace_days: u16) -> Command {
        let (requested_by, ground) = (Requester::Subject, Ground::ConsentWithdrawn);
        Command::Request { subject_id: MINA, requested_by, ground, grace_days, now: at(0) }
    }

    fn requested(due: i64) -> Event {
        let (requested_by, ground) = (Requester::Subject, Ground::ConsentWithdrawn);
        Event::ErasureRequested { subject_id: MINA, requested_by, ground, due_at: at(due) }
    }

    fn note_erased(day: i64) -> Command {
        Command::NoteErased { subject_id: MINA, key_ids: vec![Uuid::from_u128(9)], now: at(day) }
    }

    fn erased() -> Event {
        Event::SubjectErased { subject_id: MINA, key_ids: vec![Uuid::from_u128(9)] }
    }

    fn note_finished() -> Command {
        Command::NoteFinished { subject_id: MINA, streams: 3, events: 20, rows: 7 }
    }

    fn finished() -> Event {
        Event::ErasureFinished { subject_id: MINA, streams: 3, events: 20, rows: 7 }
    }

    #[test]
    fn a_person_is_forgotten_when_the_grace_is_over() {
        given::<Erasure>([]).when(request(14)).then([requested(14)]);
        given::<Erasure>([requested(14)]).when(note_erased(13)).then_refused("not due before");
        given::<Erasure>([requested(14)]).when(note_erased(14)).then([erased()]);
        given::<Erasure>([requested(14), erased()]).when(note_finished()).then([finished()]);
    }

    #[test]
    fn a_grace_has_a_month_at_most() {
        given::<Erasure>([]).when(request(30)).then([requested(30)]);
        given::<Erasure>([]).when(request(31)).then_refused("choose 0 to 30");
    }

    #[test]
    fn it_can_be_taken_back_within_the_grace_and_asked_for_again() {
        let withdraw = || Command::Withdraw { subject_id: MINA };
        let withdrawn = || Event::ErasureWithdrawn { subject_id: MINA };
        given::<Erasure>([requested(14)]).when(withdraw()).then([withdrawn()]);
        given::<Erasure>([requested(14), withdrawn()]).when(note_erased(20)).then_refused("request one first");
        given::<Erasure>([requested(14), withdrawn()]).when(request(3)).then([requested(3)]);
        given::<Erasure>([requested(0), erased()]).when(withdraw()).then_refused("cannot be taken back");
        given::<Erasure>([]).when(withdraw()).then_refused("request one first");
    }

    #[test]
    fn nobody_is_erased_unasked_and_nothing_is_finished_before_the_key_is_gone() {
        given::<Erasure>([]).when(note_erased(0)).then_refused("request one first");
        given::<Erasure>([requested(0)]).when(note_finished()).then_refused("not erased yet");
        given::<Erasure>([requested(0), erased(), finished()]).when(request(0)).then([]);
    }
}
