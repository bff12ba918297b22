//! Who learns.

pub mod learners;
