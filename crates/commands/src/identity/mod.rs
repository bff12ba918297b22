//! Accounts: registering, signing in, profile and roles.

pub mod authenticate;
pub mod change_profile;
pub mod change_roles;
pub mod credentials;
mod error;
mod password;
pub mod register;
pub mod signing_keys;

pub use error::Error;
