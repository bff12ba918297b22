//! The psychometric models of the level test.

pub mod adaptive_test;
pub mod two_parameter;
