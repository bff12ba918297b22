//! What clients sent, and what they were answered: the side of the story that does not come from the server.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use baeum_domain::ids::derive_id;
use uuid::Uuid;

/// What a command is about, which tells the events that make it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    Profile,
    Goal,
    StartTest,
    Respond,
    StartLesson,
    Watch,
    Attempt,
    Complete,
    Skip,
}

impl Kind {
    /// Whether these event types, in order, are the whole of such a command.
    pub(crate) fn is_whole(self, events: &[&str]) -> bool {
        match self {
            Self::Register => events == ["UserRegistered"],
            Self::Profile => events == ["GoalSet", "EmotionCareConsentGiven"],
            Self::Goal => events == ["GoalSet"],
            Self::StartTest => events == ["AssessmentStarted", "ItemAdministered"],
            Self::Respond => {
                matches!(events, ["ItemAnswered", "ItemAdministered" | "LevelAssessed"])
            }
            Self::StartLesson => events == ["LessonStarted"],
            Self::Watch => events == ["ShortClipConsumed"] || events == ["ClipSegmentRepeated", "ShortClipConsumed"],
            Self::Attempt => matches!(events, ["AttemptSubmitted", "EvaluationCompleted" | "EvaluationDeferred"]),
            Self::Complete => events == ["LessonCompleted"],
            Self::Skip => events == ["ParkedEventSkipped"],
        }
    }
}

/// A command that was sent at least once.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) kind: Kind,
    /// The position that the first answer told; none while, or where, there was no answer.
    pub(crate) acknowledged: Option<i64>,
    /// Whether that answer was a stored one: the command took place, but its first answer was lost.
    pub(crate) replayed: bool,
}

/// Counts of a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) replayed: usize,
}

/// Every command of a run, by its id.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    commands: HashMap<Uuid, Sent>,
    complaints: Vec<String>,
    counts: Counts,
}

impl Ledger {
    /// Notes a command before it is sent.
    pub(crate) fn send(&self, command_id: Uuid, kind: Kind) {
        let mut book = self.book();
        let known = book.commands.insert(command_id, Sent { kind, acknowledged: None, replayed: false });
        assert!(known.is_none(), "the load uses a key twice");
        book.counts.sent += 1;
    }

    /// Notes an answer.
    pub(crate) fn acknowledge(&self, command_id: Uuid, position: i64, replayed: bool) {
        let mut book = self.book();
        let sent = book.commands.get_mut(&command_id).expect("it was sent before it was answered");
        sent.acknowledged = Some(position);
        sent.replayed = replayed;
        book.counts.acknowledged += 1;
        book.counts.replayed += usize::from(replayed);
    }

    /// Notes what must not happen.
    pub(crate) fn complain(&self, what: String) {
        self.book().complaints.push(what);
    }

    /// What must not have happened.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.book().complaints.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.book().counts
    }

    /// Every command so far.
    pub(crate) fn commands(&self) -> HashMap<Uuid, Sent> {
        self.book().commands.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id under which the server keeps a command with this key.
pub(crate) fn command_id(user: Uuid, key: &str) -> Uuid {
    derive_id(&["command", "main", &user.to_string(), key])
}
