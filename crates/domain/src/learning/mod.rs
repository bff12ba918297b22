//! Learning: the curriculum, lessons, and how an answer is evaluated.

pub mod curriculum;
pub mod evaluation;
pub mod lesson;
pub mod planning;
