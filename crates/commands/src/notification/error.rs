//! Why something about notifications is refused.

use baeum_domain::{
    identity::user,
    ids::{NotificationTopic, UserId},
    notification::{notification, preferences, template::TemplateError, webhooks},
};
use baeum_eventlog::LogError;

use super::endpoint::EndpointError;
use crate::{
    refusal::{Refusal, RefusalKind, log_code},
    vault::VaultError,
};

/// Why something about notifications is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the notification.
    #[error(transparent)]
    Notification(#[from] notification::Error),
    /// A rule of the preferences.
    #[error(transparent)]
    Preferences(#[from] preferences::Error),
    /// A rule of the webhooks.
    #[error(transparent)]
    Webhooks(#[from] webhooks::Error),
    /// Nobody is registered under this id.
    #[error(transparent)]
    User(#[from] user::Error),
    /// The text cannot be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The URL of a webhook cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The catalogue has no such topic.
    #[error("'{given}' is no topic of notifications: choose from {known}")]
    UnknownTopic {
        /// What was given.
        given: NotificationTopic,
        /// What there is, separated by commas.
        known: String,
    },
    /// It is someone else's.
    #[error("these are the notifications of user {0}: only they can do this")]
    NotYours(UserId),
    /// The caller is no administrator.
    #[error("only an administrator can manage webhooks and have deliveries tried again")]
    NotAnAdmin,
    /// A link that was not made here, or was changed.
    #[error("the link is not valid: it was cut off or changed. Set your preferences in the application instead")]
    BadLink,
    /// Nothing was given up.
    #[error("there is no delivery of the event at {position} that was given up: list those that are dead letters")]
    NotGivenUp {
        /// The position of the event.
        position: i64,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database failed.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::User(error) => error.kind(),
            Self::Notification(notification::Error::NotRequested)
            | Self::Webhooks(webhooks::Error::NoSuchWebhook(_))
            | Self::NotGivenUp { .. } => RefusalKind::NotFound,
            Self::Notification(_) | Self::Webhooks(webhooks::Error::TooMany(_)) => RefusalKind::Conflict,
            Self::Preferences(_)
            | Self::Webhooks(_)
            | Self::Template(_)
            | Self::Endpoint(_)
            | Self::UnknownTopic { .. }
            | Self::BadLink => RefusalKind::Invalid,
            Self::NotYours(_) | Self::NotAnAdmin => RefusalKind::Forbidden,
            Self::Log(_) | Self::Database(_) | Self::Vault(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::User(error) => error.code(),
            Self::Notification(error) => match error {
                notification::Error::NotRequested => "notification-not-found",
                notification::Error::NoSuchChannel(_) => "notification-not-on-channel",
                notification::Error::NotDeadLettered(_) => "not-a-dead-letter",
                notification::Error::NotInInbox => "notification-not-in-inbox",
            },
            Self::Preferences(error) => match error {
                preferences::Error::EmptyQuietHours(_) => "empty-quiet-hours",
                preferences::Error::TooManyTopics(_) => "too-many-topics",
            },
            Self::Webhooks(error) => match error {
                webhooks::Error::NoSuchWebhook(_) => "webhook-not-found",
                webhooks::Error::UnknownEventType(_) => "unknown-event-type",
                webhooks::Error::EventTypes(_) => "wrong-number-of-event-types",
                webhooks::Error::TooMany(_) => "too-many-webhooks",
            },
            Self::Template(_) => "template-not-usable",
            Self::Endpoint(_) => "webhook-url-refused",
            Self::UnknownTopic { .. } => "unknown-topic",
            Self::NotYours(_) => "not-yours",
            Self::NotAnAdmin => "not-an-admin",
            Self::BadLink => "link-not-valid",
            Self::NotGivenUp { .. } => "delivery-not-given-up",
            Self::Log(error) => log_code(error),
            Self::Database(_) => "database-unavailable",
            Self::Vault(_) => "key-store-unavailable",
        }
    }
}
