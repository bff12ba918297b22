//! Why something about a parked stream is refused.

use baeum_domain::operations::parked_stream;

use crate::refusal::{Refusal, RefusalKind};

/// Why something about a parked stream is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the deed.
    #[error(transparent)]
    ParkedStream(#[from] parked_stream::Error),
    /// The caller is no administrator.
    #[error("only an administrator can have parked events retried or skipped")]
    NotAnAdmin,
    /// The stream goes on, or there is none.
    #[error("the stream '{key}' of the read model '{projection}' is not parked: list those that are")]
    NotParked {
        /// The read model.
        projection: String,
        /// The stream.
        key: String,
    },
    /// The read model could not be asked.
    #[error("the read model cannot be asked: {0}")]
    Unavailable(#[from] sqlx::Error),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::ParkedStream(parked_stream::Error::Reason(error)) => error.kind(),
            Self::NotAnAdmin => RefusalKind::Forbidden,
            Self::NotParked { .. } => RefusalKind::NotFound,
            Self::Unavailable(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::ParkedStream(parked_stream::Error::Reason(error)) => error.code(),
            Self::NotAnAdmin => "not-an-admin",
            Self::NotParked { .. } => "stream-not-parked",
            Self::Unavailable(_) => "database-unavailable",
        }
    }
}
