//! Who learns.

pub mod accesses;
pub mod learners;
pub mod subject_streams;
