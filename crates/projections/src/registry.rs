//! Every projection.

use std::sync::Arc;

use crate::{
    Models, Projection,
    assessment::{abilities::Abilities, assessments::Assessments, item_parameters::ItemParameters},
    emotion::emotion::Emotion,
    identity::{accesses::Accesses, learners::Learners, subject_streams::SubjectStreams},
    kit::{kit_plans::KitPlans, kits::Kits, skus::Skus, stock::Stocks},
    learning::{
        evaluator_experiments::EvaluatorExperiments, imported_attempts::ImportedAttempts,
        imported_items::ImportedItems, lessons::Lessons,
    },
    notification::notifications::Notifications,
    progress::{learner_vectors::LearnerVectors, progress::Progress},
    recommendation::recommendations::Recommendations,
    review::cards::Cards,
    subscription::{
        credits::UsageCredits, invoices::Invoices, ledger::Ledger, payments::Payments, plans::Plans, revenue::Revenue,
        settlement::Settlements, subscriptions::Subscriptions,
    },
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
        Arc::new(Notifications),
        Arc::new(Plans),
        Arc::new(Subscriptions),
        Arc::new(Invoices),
        Arc::new(Payments),
        Arc::new(UsageCredits),
        Arc::new(Ledger),
        Arc::new(Settlements),
        Arc::new(Revenue),
        Arc::new(Kits),
        Arc::new(Stocks),
        Arc::new(Skus),
        Arc::new(KitPlans),
        Arc::new(LearnerVectors::new(models)),
        Arc::new(EvaluatorExperiments),
    ]
}
