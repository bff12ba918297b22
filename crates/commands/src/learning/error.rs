//! Why something about a lesson is refused.

use baeum_domain::{
    identity::user, ids::LessonId, learning::evaluation::EvaluatorError, learning::lesson, learning::shadow_evaluation,
    learning::speech::SpeechError, subscription::credits, text::TextError,
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
    /// The recording cannot be judged.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// No speech model is installed.
    #[error("no speech model is installed on this server: send what was said as text")]
    NoListener,
    /// There is nothing to compare the recording with.
    #[error(
        "it is not known what was to be said: send the words in the header Baeum-Text, or answer the task once, \
             after which its sample can be read aloud"
    )]
    NothingToRead,
    /// What a lesson is made from could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<shadow_evaluation::Error> for Error {
    fn from(never: shadow_evaluation::Error) -> Self {
        match never {}
    }
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Lesson(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::NotYours(_) => RefusalKind::Forbidden,
            Self::NoLevel | Self::NothingToRead => RefusalKind::Conflict,
            Self::Speech(SpeechError::Failed { .. }) => RefusalKind::Unavailable,
            Self::Speech(_) => RefusalKind::Invalid,
            Self::Answer(error) => error.kind(),
            Self::Vault(error) => error.kind(),
            Self::Credits(error) => error.kind(),
            Self::NoListener | Self::NoClips | Self::Evaluator(_) | Self::Log(_) => RefusalKind::Unavailable,
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
            Self::NoListener => "no-speech-model",
            Self::NothingToRead => "nothing-to-read",
            Self::Speech(error) => speech_code(error),
            Self::Log(error) => log_code(error),
        }
    }
}

fn speech_code(error: &SpeechError) -> &'static str {
    match error {
        SpeechError::Empty => "recording-empty",
        SpeechError::NotAudio | SpeechError::UnknownCodec => "unsupported-audio",
        SpeechError::Damaged { .. } => "recording-damaged",
        SpeechError::TooLong => "recording-too-long",
        SpeechError::TooShort { .. } | SpeechError::TooFast { .. } => "recording-too-short",
        SpeechError::Silence => "recording-silent",
        SpeechError::TooQuiet { .. } => "recording-too-quiet",
        SpeechError::Clipped { .. } => "recording-distorted",
        SpeechError::NoSpeech => "recording-without-speech",
        SpeechError::OtherWords => "other-words-spoken",
        SpeechError::NothingToJudge => "words-not-in-dictionary",
        SpeechError::TextTooLong { .. } => "text-too-long",
        SpeechError::Failed { .. } => "evaluator-failed",
    }
}
