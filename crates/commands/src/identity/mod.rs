//! Accounts: registering, signing in, profile and roles; who looks at them, and how they are forgotten.

pub mod authenticate;
pub mod change_profile;
pub mod change_roles;
pub mod credentials;
pub mod erase_subject;
mod error;
mod password;
pub mod personal_data;
pub mod record_access;
pub mod register;
pub mod request_erasure;
pub mod signing_keys;

pub use error::Error;
