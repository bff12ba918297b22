//! The psychometric models of the level test.

pub mod adaptive_test;
pub mod calibration;
pub mod irt;
pub mod posterior;

pub(crate) mod logistic;
pub(crate) mod random;
