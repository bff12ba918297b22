//! Why something about a learner's cards is refused.

use baeum_domain::review::{deck, scheduling::SchedulerError};

use crate::refusal::{Refusal, RefusalKind};

/// Why something about a learner's cards is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A rule of the cards.
    #[error(transparent)]
    Deck(#[from] deck::Error),
    /// Nothing was scheduled or fitted.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Deck(error) => error.kind(),
            Self::Scheduler(SchedulerError::FewReviews { .. }) => RefusalKind::Conflict,
            Self::Scheduler(SchedulerError::Unusable(_)) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Deck(error) => error.code(),
            Self::Scheduler(SchedulerError::FewReviews { .. }) => "few-reviews",
            Self::Scheduler(SchedulerError::Unusable(_)) => "scheduler-failed",
        }
    }
}
