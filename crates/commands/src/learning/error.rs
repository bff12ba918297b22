//! Why something about a lesson is refused.

use baeum_domain::{
    identity::user, ids::LessonId, learning::evaluation::EvaluatorError, learning::lesson, subscription::credits,
    text::TextError,
};
use baeum_eventlog::LogError;

use crate::{
    refusal::{Refusal, RefusalKind, log_code},
    vault::VaultError,
};

/// Why something about a lesson is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the lesson.
    #[error(transparent)]
    Lesson(#[from] lesson::Error),
    /// The caller is no registered user.
    #[error(transparent)]
    User(#[from] user::Error),
    /// The lesson is someone else's.
    #[error("lesson {0} is another learner's")]
    NotYours(LessonId),
    /// The learner has no level yet.
    #[error("there is no level to make a lesson from: finish a level test first (POST /v1/assessments)")]
    NoLevel,
    /// The catalogue has no clips with tasks.
    #[error("the catalogue has no clips with tasks: load a catalogue that has")]
    NoClips,
    /// The answer is empty, too long or holds control characters.
    #[error("answer: {0}")]
    Answer(#[from] TextError),
    /// The answer could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No evaluation is left.
    #[error(transparent)]
    Credits(#[from] credits::Error),
    /// The model gave no verdict.
    #[error(transparent)]
    Evaluator(#[from] EvaluatorError),
    /// What a lesson is made from could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Lesson(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::NotYours(_) => RefusalKind::Forbidden,
            Self::NoLevel => RefusalKind::Conflict,
            Self::Answer(error) => error.kind(),
            Self::Vault(error) => error.kind(),
            Self::Credits(error) => error.kind(),
            Self::NoClips | Self::Evaluator(_) | Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Lesson(error) => error.code(),
            Self::User(error) => error.code(),
            Self::NotYours(_) => "not-yours",
            Self::NoLevel => "no-level",
            Self::NoClips => "no-content",
            Self::Answer(error) => error.code(),
            Self::Vault(error) => error.code(),
            Self::Credits(error) => error.code(),
            Self::Evaluator(_) => "evaluator-failed",
            Self::Log(error) => log_code(error),
        }
    }
}
