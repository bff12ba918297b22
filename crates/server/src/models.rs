//! The models of this build, behind the ports that the other crates know.

use std::{path::Path, sync::Arc, time::Duration};

use baeum_commands::{Ports, keys::KeyService};
use baeum_domain::{
    catalog::Catalog,
    learning::{
        evaluation::{Evaluator, OneModel, ServedEvaluator},
        speech::Listener,
    },
};
use baeum_ml::{
    assessment::{ability_filter::MomentFilter, adaptive_test::CatalogTest, calibration::OnlineCalibrator},
    emotion::affect_model::HiddenMarkovAffect,
    learning::{
        encoder::minilm::MiniLmError,
        error_detector::{ErrorDetector, LoadError},
        meaning::{SentenceEncoder, WithMeaning},
        planner::CatalogPlanner,
        pronunciation::{self, PhoneModel},
        serving::{Batched, Settings},
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
    #[error("the evaluator cannot be served: {0}")]
    Threads(#[from] std::io::Error),
    #[error(transparent)]
    Recommender(#[from] RecommendError),
}

/// What commands compute with, with an evaluator that is not served; the recommender with what it has learned, where a file is given.
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
        evaluators: Arc::new(OneModel::direct(Arc::new(ErrorDetector::load()?))),
        listener: None,
        test: Arc::new(CatalogTest::new(catalog)),
        planner: Arc::new(CatalogPlanner::new(catalog.clone())),
        scheduler: Arc::new(FsrsScheduler),
        recommender: Arc::new(recommend::recommender(catalog, learned)?),
        entropy: Arc::new(SystemEntropy),
        keys,
    })
}

/// The evaluator that this build carries, served; with what `meaning` says beside its verdicts, where it is given.
///
/// # Errors
/// When the weights are not those that this build was made with, or the system gives no threads.
pub(crate) fn built_in(
    settings: Settings,
    meaning: Option<&Arc<SentenceEncoder>>,
) -> Result<Arc<dyn ServedEvaluator>, ModelsError> {
    // Answers that are computed together cost it as much as one after the other, so none waits for another.
    let settings = Settings { linger: Duration::ZERO, ..settings };
    let detector = with_meaning(Arc::new(ErrorDetector::load()?), meaning);
    Ok(Arc::new(Batched::new(detector, settings)?))
}

/// What compares meanings, from a folder where one is given.
///
/// # Errors
/// When its files cannot be read, or are not those that this build knows.
pub(crate) fn sentence_encoder(folder: Option<&Path>) -> Result<Option<Arc<SentenceEncoder>>, MiniLmError> {
    Ok(folder.map(SentenceEncoder::load).transpose()?.map(Arc::new))
}

/// An evaluator as it is, or with what `meaning` says beside its verdicts.
pub(crate) fn with_meaning(
    evaluator: Arc<dyn Evaluator>,
    meaning: Option<&Arc<SentenceEncoder>>,
) -> Arc<dyn Evaluator> {
    match meaning {
        Some(encoder) => Arc::new(WithMeaning::new(evaluator, encoder.clone())),
        None => evaluator,
    }
}

/// What listens: the speech model of a folder where one is given, else that of this build.
///
/// # Errors
/// When its files cannot be read, or do not belong together.
pub(crate) fn listener(folder: Option<&Path>) -> Result<Arc<dyn Listener>, pronunciation::LoadError> {
    Ok(Arc::new(folder.map_or_else(PhoneModel::shipped, PhoneModel::load)?))
}

/// What read models compute with.
pub(crate) fn models(catalog: &Arc<Catalog>) -> Models {
    Models {
        affect: Arc::new(HiddenMarkovAffect::new()),
        calibrator: Arc::new(OnlineCalibrator::new()),
        abilities: Arc::new(MomentFilter::default()),
        catalog: catalog.clone(),
    }
}
