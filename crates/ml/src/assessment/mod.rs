//! The psychometric models of the level test.

pub mod ability_filter;
pub mod adaptive_test;
pub mod bank_calibration;
pub mod calibration;
pub mod irt;
pub mod posterior;

pub(crate) mod logistic;
pub(crate) mod random;
