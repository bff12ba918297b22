//! The level test: its sittings, and what its items turned out to be.

pub mod abilities;
pub mod assessments;
pub mod item_parameters;
