//! What a refusal means to whoever asked, independent of how it is told.

use baeum_domain::{
    assessment::{assessment, item_bank},
    identity::{erasure, user},
    learning::curriculum,
    learning::lesson,
    progress::progress,
    recommendation::recommendation,
    review::deck,
    text::TextError,
};
use baeum_eventlog::LogError;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The caller is not who they say.
    Unauthenticated,
    /// The caller may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There was such a thing, and is no more.
    Gone,
    /// It does not fit the present state.
    Conflict,
    /// The input is wrong.
    Invalid,
    /// It cannot be done at the moment.
    Unavailable,
}

/// A refusal by a rule: its text says what, which and what to do.
pub trait Refusal: std::error::Error {
    /// What kind of refusal it is.
    fn kind(&self) -> RefusalKind;

    /// A stable name in kebab case, by which a client tells it apart.
    fn code(&self) -> &'static str;
}

/// The name under which a failing log is told.
pub(crate) fn log_code(error: &LogError) -> &'static str {
    match error {
        LogError::Busy => "log-busy",
        LogError::Unreadable { .. } => "log-unreadable",
        LogError::Unavailable(_) | LogError::Closed | LogError::Unwritable { .. } | LogError::Broker(_) => {
            "log-unavailable"
        }
    }
}

macro_rules! refusals {
    ($($error:path { $($pattern:pat => $kind:ident $code:literal),* $(,)? })+) => {$(
        impl Refusal for $error {
            fn kind(&self) -> RefusalKind {
                #[allow(unused_imports, reason = "an error without variants needs none")]
                use $error::*;
                match *self { $($pattern => RefusalKind::$kind,)* }
            }

            fn code(&self) -> &'static str {
                #[allow(unused_imports, reason = "an error without variants needs none")]
                use $error::*;
                match *self { $($pattern => $code,)* }
            }
        }
    )+};
}

refusals! {
    user::Error {
        NotRegistered => NotFound "user-not-found",
        AlreadyRegistered(_) => Conflict "already-registered",
        SameLanguages(_) => Invalid "same-languages",
        TooManyInterests(_) => Invalid "too-many-interests",
        GoalOutOfRange(_) => Invalid "goal-out-of-range",
        NoPolicyVersion => Invalid "no-policy-version",
        LastRole(_) => Conflict "last-role",
    }
    erasure::Error {
        GraceOutOfRange(_) => Invalid "grace-out-of-range",
        NotRequested => Conflict "erasure-not-requested",
        Erased(_) => Gone "subject-erased",
        NotDue(_) => Conflict "erasure-not-due",
        NotErased(_) => Conflict "erasure-not-done",
    }
    assessment::Error {
        NotStarted => NotFound "assessment-not-found",
        AlreadyStarted(_) => Conflict "assessment-exists",
        Ended(_) => Conflict "assessment-ended",
        AlreadyAnswered(_) => Conflict "item-already-answered",
        NotAsked { .. } => Conflict "item-not-asked",
    }
    item_bank::Error {
        NoItems => Invalid "no-calibrated-items",
        Stale { .. } => Conflict "stale-calibration",
        OutOfRange(_) => Invalid "parameter-out-of-range",
    }
    lesson::Error {
        NotStarted => NotFound "lesson-not-found",
        AlreadyStarted(_) => Conflict "lesson-exists",
        EmptyPlan(_) => Unavailable "no-content",
        Ended(_) => Conflict "lesson-ended",
        UnknownClip { .. } => Invalid "clip-not-in-lesson",
        ImpossibleViewing { .. } => Invalid "impossible-viewing",
        UnknownTask { .. } => Invalid "task-not-in-lesson",
        WrongKind { .. } => Invalid "wrong-kind-of-attempt",
        ClipNotConsumed { .. } => Conflict "clip-not-watched",
        TooShort { .. } => Invalid "answer-too-short",
        TooManyAttempts(_) => Conflict "too-many-attempts",
        NotDone { .. } => Conflict "lesson-not-done",
    }
    progress::Error {
        NotEvidence(_) => Invalid "not-evidence",
    }
    deck::Error {
        UnknownCard(_) => NotFound "card-not-found",
        BeforeLast(_) => Conflict "review-before-last",
        NoMemory(_) => Unavailable "scheduler-failed",
        Full => Conflict "deck-full",
        Stale { .. } => Conflict "stale-fit",
        NoParameters => Unavailable "scheduler-failed",
    }
    recommendation::Error {
        NotGenerated(_) => Conflict "recommendation-not-generated",
    }
    TextError {
        Empty => Invalid "text-empty",
        TooLong { .. } => Invalid "text-too-long",
        Control { .. } => Invalid "control-character",
    }
}

impl Refusal for curriculum::Error {
    fn kind(&self) -> RefusalKind {
        match *self {}
    }

    fn code(&self) -> &'static str {
        match *self {}
    }
}
