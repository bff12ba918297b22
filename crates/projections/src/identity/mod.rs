//! Who learns.

pub mod accesses;
pub mod learners;
