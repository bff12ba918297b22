//! Why something about an account is refused.

use baeum_domain::{
    identity::{access, erasure, user},
    ids::UserId,
    text::TextError,
};

use crate::{
    refusal::{Refusal, RefusalKind},
    vault::VaultError,
};

/// Why something about an account is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the user.
    #[error(transparent)]
    User(#[from] user::Error),
    /// The address cannot be one.
    #[error("this is not an e-mail address: give one such as 'name@example.org', at most 254 characters")]
    NotAnEmail,
    /// Someone has this address.
    #[error("this e-mail address is taken: sign in, or register with another")]
    EmailTaken,
    /// The password is too short or too long.
    #[error("a password of {0} characters is not accepted: choose 10 to 128")]
    PasswordLength(usize),
    /// The name is empty, too long or holds control characters.
    #[error("display_name: {0}")]
    DisplayName(TextError),
    /// The catalogue knows no such topic.
    #[error("'{given}' is no topic of the catalogue: choose from {known}")]
    UnknownInterest {
        /// What was given.
        given: String,
        /// What there is, separated by commas.
        known: String,
    },
    /// Wrong address or password; it is not told which.
    #[error("e-mail address or password is wrong: check both and try again")]
    WrongCredentials,
    /// The account is someone else's.
    #[error("user {0} is not you: only they or an administrator can do this")]
    NotYours(UserId),
    /// The caller is no administrator.
    #[error("only an administrator can change roles")]
    NotAnAdmin,
    /// The credential store did not answer.
    #[error("the credential store cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// A rule of the erasure.
    #[error(transparent)]
    Erasure(#[from] erasure::Error),
    /// A rule of the record of accesses.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// Who asks to be forgotten must show that it is them.
    #[error("password: give your password, so that nobody else can have you forgotten")]
    PasswordMissing,
    /// And this does not show it.
    #[error("the password is wrong: check it and try again")]
    WrongPassword,
    /// Something could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A password could not be hashed.
    #[error("the password cannot be processed: {0}")]
    Hashing(String),
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::User(error) => error.kind(),
            Self::Erasure(error) => error.kind(),
            Self::Access(error) => match *error {},
            Self::Vault(error) => error.kind(),
            Self::PasswordMissing => RefusalKind::Invalid,
            Self::NotAnEmail | Self::PasswordLength(_) | Self::DisplayName(_) | Self::UnknownInterest { .. } => {
                RefusalKind::Invalid
            }
            Self::EmailTaken => RefusalKind::Conflict,
            Self::WrongCredentials => RefusalKind::Unauthenticated,
            Self::NotYours(_) | Self::NotAnAdmin | Self::WrongPassword => RefusalKind::Forbidden,
            Self::Unavailable(_) | Self::Hashing(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::User(error) => error.code(),
            Self::Erasure(error) => error.code(),
            Self::Access(error) => match *error {},
            Self::Vault(error) => error.code(),
            Self::PasswordMissing => "password-missing",
            Self::WrongPassword => "wrong-password",
            Self::NotAnEmail => "not-an-email",
            Self::EmailTaken => "email-taken",
            Self::PasswordLength(_) => "password-length",
            Self::DisplayName(error) => error.code(),
            Self::UnknownInterest { .. } => "unknown-interest",
            Self::WrongCredentials => "wrong-credentials",
            Self::NotYours(_) => "not-yours",
            Self::NotAnAdmin => "not-an-admin",
            Self::Unavailable(_) => "credential-store-unavailable",
            Self::Hashing(_) => "password-not-processed",
        }
    }
}
