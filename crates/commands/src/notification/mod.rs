//! What can be done about notifications.

pub mod address;
pub mod deliver;
pub mod endpoint;
mod error;
pub mod links;
pub mod preferences;
pub mod read;
pub mod request;
pub mod retry;
mod settings;
pub mod webhook_deliveries;
pub mod webhooks;

pub use error::Error;
pub use settings::Settings;
