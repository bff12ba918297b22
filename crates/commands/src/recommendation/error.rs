//! Why a recommendation is refused.

use baeum_domain::{identity::user, recommendation::recommendation};
use baeum_eventlog::LogError;

use crate::refusal::{Refusal, RefusalKind, log_code};

/// Why a recommendation is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the recommendation.
    #[error(transparent)]
    Recommendation(#[from] recommendation::Error),
    /// The learner is not registered.
    #[error(transparent)]
    User(#[from] user::Error),
    /// What it is made from could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Recommendation(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Recommendation(error) => error.code(),
            Self::User(error) => error.code(),
            Self::Log(error) => log_code(error),
        }
    }
}
