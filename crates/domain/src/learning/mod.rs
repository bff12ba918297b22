//! Learning: the curriculum, lessons, how an answer is evaluated and by which model, and what was learned elsewhere.

pub mod comparison;
pub mod curriculum;
pub mod evaluation;
pub mod evaluator_deployment;
pub mod import;
pub mod imported_attempt;
pub mod lesson;
pub mod planning;
pub mod shadow_evaluation;
pub mod sounds;
pub mod speech;
