//! Who uses the platform: accounts, roles, preferences and consents; who looked at their data, and how it is forgotten.

pub mod access;
pub mod erasure;
pub mod locale;
pub mod subject;
pub mod user;
