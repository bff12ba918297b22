//! Models of the learning context.

pub mod error_detector;
