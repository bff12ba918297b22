//! Emotion care, with consent only.

#[allow(clippy::module_inception, reason = "the view has the name of its context")]
pub mod emotion;
