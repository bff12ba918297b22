//! The level test: starting, answering and leaving it.

pub mod abandon;
pub mod calibrate;
mod error;
pub mod respond;
pub mod start;
mod status;

pub use error::Error;
pub use status::Status;
