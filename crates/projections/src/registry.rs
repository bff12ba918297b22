//! Every projection.

use std::sync::Arc;

use crate::{
    Models, Projection,
    assessment::{abilities::Abilities, assessments::Assessments, item_parameters::ItemParameters},
    emotion::emotion::Emotion,
    identity::{accesses::Accesses, learners::Learners, subject_streams::SubjectStreams},
    learning::{imported_attempts::ImportedAttempts, imported_items::ImportedItems, lessons::Lessons},
    progress::progress::Progress,
    recommendation::recommendations::Recommendations,
    review::cards::Cards,
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
        Arc::new(Cards),
        Arc::new(ItemParameters::new(models)),
        Arc::new(Abilities::new(models)),
        Arc::new(ImportedAttempts),
        Arc::new(ImportedItems),
        Arc::new(Accesses),
    ]
}
