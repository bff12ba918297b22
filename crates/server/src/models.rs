//! The models of this build, behind the ports that the other crates know.

use std::{path::Path, sync::Arc};

use baeum_commands::{Ports, keys::KeyService};
use baeum_domain::{catalog::Catalog, learning::speech::Listener};
use baeum_ml::{
    assessment::{adaptive_test::CatalogTest, calibration::OnlineCalibrator},
    emotion::affect_model::HiddenMarkovAffect,
    learning::{
        error_detector::{ErrorDetector, LoadError},
        planner::CatalogPlanner,
        pronunciation::{self, PhoneModel},
    },
    recommendation::content_recommender::ContentRecommender,
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
        listener: None,
        test: Arc::new(CatalogTest::new(catalog)),
        planner: Arc::new(CatalogPlanner::new(catalog.clone())),
        recommender: Arc::new(ContentRecommender::new(catalog.clone())),
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
        catalog: catalog.clone(),
    }
}
