//! Why something about a level test is refused.

use baeum_domain::{
    assessment::assessment,
    ids::{AssessmentId, ItemId},
};

use crate::refusal::{Refusal, RefusalKind};

/// Why something about a level test is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A rule of the sitting.
    #[error(transparent)]
    Assessment(#[from] assessment::Error),
    /// The sitting is someone else's.
    #[error("assessment {0} is another learner's")]
    NotYours(AssessmentId),
    /// The catalogue has no items.
    #[error("the catalogue has no test items: load a catalogue that has")]
    NoItems,
    /// The item is not in the catalogue.
    #[error("there is no item {0} in the catalogue")]
    UnknownItem(ItemId),
    /// There is no such choice.
    #[error("choice {choice} is not one of item {item}: give 0 to {last}")]
    UnknownChoice {
        /// The item.
        item: ItemId,
        /// What was given.
        choice: u8,
        /// The last choice there is.
        last: usize,
    },
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Assessment(error) => error.kind(),
            Self::NotYours(_) => RefusalKind::Forbidden,
            Self::NoItems => RefusalKind::Unavailable,
            Self::UnknownItem(_) | Self::UnknownChoice { .. } => RefusalKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Assessment(error) => error.code(),
            Self::NotYours(_) => "not-yours",
            Self::NoItems => "no-content",
            Self::UnknownItem(_) => "unknown-item",
            Self::UnknownChoice { .. } => "unknown-choice",
        }
    }
}
