//! Recommending after a lesson, and finding where to watch.

mod error;
pub mod generate;
pub mod react;
pub mod suggest;

pub use error::Error;

use baeum_domain::ids::{LessonId, RecommendationId, derive_id};

/// The recommendation that follows a lesson: one a lesson, whoever asks for it.
pub fn recommendation_of(lesson_id: LessonId) -> RecommendationId {
    RecommendationId(derive_id(&["recommendation", &lesson_id.to_string()]))
}
