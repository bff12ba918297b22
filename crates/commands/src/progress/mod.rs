//! Progress: evidence taken in by its process.

pub mod observe;
