//! Who learns.

pub mod learners;
pub mod subject_streams;
