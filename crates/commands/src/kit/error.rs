//! Why something about kits is refused.

use baeum_domain::{
    identity::user,
    ids::{ClipId, KitId, PlanId},
    kit::{address, carrier::CarrierError, kit, plan, sku, stock},
    learning::lesson,
    subscription::refund,
    text::TextError,
};
use baeum_eventlog::LogError;

use crate::{
    keys::KeyError,
    refusal::{Refusal, RefusalKind, log_code},
    vault::VaultError,
};

/// Why something about kits is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the assortment.
    #[error(transparent)]
    Sku(#[from] sku::Error),
    /// A rule of stock.
    #[error(transparent)]
    Stock(#[from] stock::Error),
    /// A rule of the kits of a plan.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// A rule of the kit.
    #[error(transparent)]
    Kit(#[from] kit::Error),
    /// A rule of addresses: there is none.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// A rule of the lesson that a unit opens.
    #[error(transparent)]
    Lesson(#[from] lesson::Error),
    /// A rule of refunds.
    #[error("the refund is refused: {0}")]
    Refund(#[from] refund::Error),
    /// The caller is no registered user.
    #[error(transparent)]
    User(#[from] user::Error),
    /// The caller is no administrator.
    #[error("only an administrator can do this")]
    NotAnAdmin,
    /// The kit is someone else's.
    #[error("kit {0} is another learner's")]
    NotYours(KitId),
    /// The clip is not in the catalogue.
    #[error("there is no clip '{0}' in the catalogue: GET /v1/clips lists them")]
    UnknownClip(ClipId),
    /// The clip has no task, so there is no lesson on it.
    #[error("clip '{0}' has no task to make a lesson of: choose another")]
    NoLesson(ClipId),
    /// There is no such plan.
    #[error("there is no plan {0}: create it first")]
    UnknownPlan(PlanId),
    /// A line of the address cannot be.
    #[error("{0}: {1}")]
    AddressLine(&'static str, TextError),
    /// The code is none of ours.
    #[error("this is no code of a kit: scan it again, or type all of it")]
    NotACode,
    /// The code has the form of one, and is not signed by us.
    #[error("this code was not made here")]
    ForgedCode,
    /// No carrier is configured.
    #[error("no carrier is configured: set BAEUM_CARRIER_URL with its key, and what waits is sent")]
    NoCarrier,
    /// The carrier does not do it.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// A text could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key service gave no answer.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// What is needed could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Sku(error) => error.kind(),
            Self::Stock(error) => error.kind(),
            Self::Plan(error) => error.kind(),
            Self::Kit(error) => error.kind(),
            Self::Address(error) => error.kind(),
            Self::Lesson(error) => error.kind(),
            Self::Refund(_) => RefusalKind::Conflict,
            Self::User(error) => error.kind(),
            Self::NotAnAdmin | Self::NotYours(_) | Self::ForgedCode => RefusalKind::Forbidden,
            Self::UnknownClip(_) | Self::NoLesson(_) | Self::NotACode => RefusalKind::Invalid,
            Self::UnknownPlan(_) => RefusalKind::NotFound,
            Self::AddressLine(_, error) => error.kind(),
            Self::Carrier(CarrierError::Forged(_) | CarrierError::Stale(_)) => RefusalKind::Unauthenticated,
            Self::Carrier(CarrierError::Refused(_)) => RefusalKind::Conflict,
            Self::Carrier(CarrierError::Unreadable(_)) => RefusalKind::Invalid,
            Self::Vault(error) => error.kind(),
            Self::NoCarrier | Self::Carrier(CarrierError::Unavailable(_)) | Self::Keys(_) | Self::Log(_) => {
                RefusalKind::Unavailable
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Sku(error) => error.code(),
            Self::Stock(error) => error.code(),
            Self::Plan(error) => error.code(),
            Self::Kit(error) => error.code(),
            Self::Address(error) => error.code(),
            Self::Lesson(error) => error.code(),
            Self::Refund(_) => "refund-refused",
            Self::User(error) => error.code(),
            Self::NotAnAdmin => "not-an-admin",
            Self::NotYours(_) => "not-yours",
            Self::UnknownClip(_) => "clip-unknown",
            Self::NoLesson(_) => "clip-without-tasks",
            Self::UnknownPlan(_) => "no-such-plan",
            Self::AddressLine(_, error) => error.code(),
            Self::NotACode => "not-a-code",
            Self::ForgedCode => "code-forged",
            Self::NoCarrier => "no-carrier",
            Self::Carrier(CarrierError::Forged(_)) => "message-forged",
            Self::Carrier(CarrierError::Stale(_)) => "message-stale",
            Self::Carrier(CarrierError::Unreadable(_)) => "message-unreadable",
            Self::Carrier(CarrierError::Refused(_)) => "carrier-refused",
            Self::Carrier(CarrierError::Unavailable(_)) => "carrier-unavailable",
            Self::Vault(error) => error.code(),
            Self::Keys(_) => "key-store-unavailable",
            Self::Log(error) => log_code(error),
        }
    }
}
