//! Who uses the platform: accounts, roles, preferences and consents.

pub mod locale;
pub mod user;
