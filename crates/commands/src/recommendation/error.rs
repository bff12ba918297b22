//! Why a recommendation is refused.

use baeum_domain::{
    identity::user,
    ids::RecommendationId,
    recommendation::{recommendation, recommending::Content, taste},
};
use baeum_eventlog::LogError;

use crate::refusal::{Refusal, RefusalKind, log_code};

/// Why a recommendation is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the recommendation.
    #[error(transparent)]
    Recommendation(#[from] recommendation::Error),
    /// There is none of this id.
    #[error("there is no recommendation {0}: take its id from GET /v1/learners/{{id}}/recommendations")]
    NoSuch(RecommendationId),
    /// It was made for somebody else.
    #[error("recommendation {0} was made for another learner: react to your own")]
    NotYours(RecommendationId),
    /// It does not hold this.
    #[error("{content} is not in recommendation {recommendation_id}: react to what was recommended")]
    NotRecommended {
        /// The recommendation.
        recommendation_id: RecommendationId,
        /// What was reacted to.
        content: Content,
    },
    /// The learner is not registered.
    #[error(transparent)]
    User(#[from] user::Error),
    /// What it is made from could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<taste::Error> for Error {
    fn from(error: taste::Error) -> Self {
        match error {}
    }
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Recommendation(error) => error.kind(),
            Self::NoSuch(_) => RefusalKind::NotFound,
            Self::NotYours(_) => RefusalKind::Forbidden,
            Self::NotRecommended { .. } => RefusalKind::Invalid,
            Self::User(error) => error.kind(),
            Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Recommendation(error) => error.code(),
            Self::NoSuch(_) => "recommendation-not-found",
            Self::NotYours(_) => "not-yours",
            Self::NotRecommended { .. } => "not-recommended",
            Self::User(error) => error.code(),
            Self::Log(error) => log_code(error),
        }
    }
}
