//! What is recommended.

pub mod recommendations;
