//! The models of this build, behind the ports that the other crates know.

use std::{path::Path, sync::Arc};

use baeum_commands::{Ports, keys::KeyService};
use baeum_domain::{catalog::Catalog, learning::speech::Listener};
use baeum_ml::{
    assessment::{ability_filter::GaussianAbility, adaptive_test::CatalogTest, calibration::OnlineCalibrator},
    emotion::affect_model::HiddenMarkovAffect,
    learning::{
        error_detector::{ErrorDetector, LoadError},
        planner::CatalogPlanner,
        pronunciation::{self, PhoneModel},
    },
    review::fsrs_scheduler::FsrsScheduler,
};
use baeum_projections::Models;

use crate::{
    entropy::SystemEntropy,
    recommend::{self, RecommendError},
};

/// Why there are no models.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelsError {
    #[error("the evaluator cannot be loaded: {0}")]
    Evaluator(#[from] LoadError),
    #[error(transparent)]
    Recommender(#[from] RecommendError),
}

/// What commands compute with; the recommender with what it has learned, where a file is given.
///
/// # Errors
/// When the evaluator's weights are not those that this build was made with, or the file is not what it should be.
pub(crate) fn ports(
    catalog: &Arc<Catalog>,
    keys: Arc<dyn KeyService>,
    learned: Option<&Path>,
) -> Result<Ports, ModelsError> {
    Ok(Ports {
        catalog: catalog.clone(),
        evaluator: Arc::new(ErrorDetector::load()?),
        listener: None,
        test: Arc::new(CatalogTest::new(catalog)),
        planner: Arc::new(CatalogPlanner::new(catalog.clone())),
        scheduler: Arc::new(FsrsScheduler),
        recommender: Arc::new(recommend::recommender(catalog, learned)?),
        entropy: Arc::new(SystemEntropy),
        keys,
    })
}

/// What listens, where a folder with a speech model is given.
///
/// # Errors
/// When its files cannot be read, or do not belong together.
pub(crate) fn listener(folder: Option<&Path>) -> Result<Option<Arc<dyn Listener>>, pronunciation::LoadError> {
    let load = |folder: &Path| Ok(Arc::new(PhoneModel::load(folder)?) as Arc<dyn Listener>);
    folder.map(load).transpose()
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
