//! Learning: the curriculum, lessons, how an answer is evaluated, and what was learned elsewhere.

pub mod curriculum;
pub mod evaluation;
pub mod import;
pub mod imported_attempt;
pub mod lesson;
pub mod planning;
pub mod sounds;
pub mod speech;
