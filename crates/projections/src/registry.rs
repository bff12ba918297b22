//! Every projection.

use std::sync::Arc;

use crate::{
    Models, Projection,
    assessment::{assessments::Assessments, item_parameters::ItemParameters},
    emotion::emotion::Emotion,
    identity::{accesses::Accesses, learners::Learners, subject_streams::SubjectStreams},
    learning::{imported_attempts::ImportedAttempts, imported_items::ImportedItems, lessons::Lessons},
    progress::{learner_vectors::LearnerVectors, progress::Progress},
    recommendation::recommendations::Recommendations,
};

/// Every projection, one line each.
pub fn registry(models: &Models) -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(Learners),
        Arc::new(SubjectStreams),
        Arc::new(Assessments),
        Arc::new(Lessons),
        Arc::new(Progress),
        Arc::new(Emotion::new(models)),
        Arc::new(Recommendations),
        Arc::new(ItemParameters::new(models)),
        Arc::new(ImportedAttempts),
        Arc::new(ImportedItems),
        Arc::new(Accesses),
        Arc::new(LearnerVectors::new(models)),
    ]
}
