//! Review: cards, and the scheduler's parameters.

mod error;
pub mod optimize;
pub mod review_card;

pub use error::Error;
