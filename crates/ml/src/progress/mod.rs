//! What a learner knows: knowledge tracing.

pub mod bkt;
pub mod dkt;
pub mod measure;
