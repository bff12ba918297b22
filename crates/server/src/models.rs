//! The models of this build, behind the ports that the other crates know.

use std::sync::Arc;

use baeum_commands::{Ports, keys::KeyService};
use baeum_domain::catalog::Catalog;
use baeum_ml::{
    assessment::{ability_filter::GaussianAbility, adaptive_test::CatalogTest, calibration::OnlineCalibrator},
    emotion::affect_model::HiddenMarkovAffect,
    learning::{
        error_detector::{ErrorDetector, LoadError},
        planner::CatalogPlanner,
    },
    recommendation::content_recommender::ContentRecommender,
    review::fsrs_scheduler::FsrsScheduler,
};
use baeum_projections::Models;

use crate::entropy::SystemEntropy;

/// What commands compute with.
///
/// # Errors
/// When the evaluator's weights are not those that this build was made with.
pub(crate) fn ports(catalog: &Arc<Catalog>, keys: Arc<dyn KeyService>) -> Result<Ports, LoadError> {
    Ok(Ports {
        catalog: catalog.clone(),
        evaluator: Arc::new(ErrorDetector::load()?),
        test: Arc::new(CatalogTest::new(catalog)),
        planner: Arc::new(CatalogPlanner::new(catalog.clone())),
        recommender: Arc::new(ContentRecommender::new(catalog.clone())),
        scheduler: Arc::new(FsrsScheduler),
        entropy: Arc::new(SystemEntropy),
        keys,
    })
}

/// What read models compute with.
pub(crate) fn models(catalog: &Arc<Catalog>) -> Models {
    Models {
        affect: Arc::new(HiddenMarkovAffect::new()),
        calibrator: Arc::new(OnlineCalibrator::new()),
        abilities: Arc::new(GaussianAbility::default()),
        catalog: catalog.clone(),
    }
}
