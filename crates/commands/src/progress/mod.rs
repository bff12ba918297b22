//! Progress: evidence taken in by its process, and the parameters that it is taken in by.

pub mod fit_mastery;
pub mod observe;
