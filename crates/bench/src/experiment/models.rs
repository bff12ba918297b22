//! Two real models: the detector of this build, and the same weights with another threshold.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use baeum_domain::learning::evaluation::{Evaluator, EvaluatorRegistry, ModelRef, ServedEvaluator};
use baeum_ml::learning::{
    error_detector::{ErrorDetector, manifest::sha256},
    serving::{Batched, Settings},
};
use safetensors::SafeTensors;

use crate::Failure;

const WEIGHTS: &[u8] = include_bytes!("../../../ml/weights/error-detector.safetensors");
const MANIFEST: &str = include_str!("../../../ml/weights/error-detector.json");
/// Place of the threshold among the values of the calibration.
const THRESHOLD: usize = 1;

/// Both models, served.
pub(super) struct Models(Vec<Arc<dyn ServedEvaluator>>);

impl Models {
    /// The shipped detector first, then that with `threshold`: the probability of a mistake from which on a word is marked.
    pub(super) fn load(threshold: f32) -> Result<Self, Failure> {
        let serve = |detector: ErrorDetector| -> Result<Arc<dyn ServedEvaluator>, Failure> {
            let evaluator: Arc<dyn Evaluator> = Arc::new(detector);
            let queue = NonZeroUsize::new(4_096).expect("above 0");
            let settings = Settings { threads: NonZeroUsize::MIN, queue, linger: Duration::ZERO };
            Ok(Arc::new(Batched::new(evaluator, settings)?))
        };
        Ok(Self(vec![serve(ErrorDetector::load()?)?, serve(with_threshold(threshold)?)?]))
    }

    /// Which they are.
    pub(super) fn names(&self) -> Vec<ModelRef> {
        self.0.iter().map(|it| it.model().clone()).collect()
    }
}

/// The weights with another threshold, as files that belong together.
fn with_threshold(threshold: f32) -> Result<ErrorDetector, Failure> {
    let mut weights = WEIGHTS.to_vec();
    let place = {
        let tensors = SafeTensors::deserialize(WEIGHTS)?;
        let calibration = tensors.tensor("calibration")?;
        calibration.data().as_ptr().addr() - WEIGHTS.as_ptr().addr() + THRESHOLD * size_of::<f32>()
    };
    weights[place..place + size_of::<f32>()].copy_from_slice(&threshold.to_le_bytes());
    let mut manifest: serde_json::Value = serde_json::from_str(MANIFEST)?;
    manifest["model_id"] = format!("detector-threshold-{threshold}").into();
    manifest["weights_sha256"] = sha256(&weights).into();
    Ok(ErrorDetector::from_bytes(&weights, &manifest.to_string())?)
}

impl EvaluatorRegistry for Models {
    fn built_in(&self) -> Arc<dyn ServedEvaluator> {
        self.0[0].clone()
    }

    fn find(&self, model: &ModelRef) -> Option<Arc<dyn ServedEvaluator>> {
        self.0.iter().find(|it| it.model() == model).cloned()
    }

    fn models(&self) -> Vec<ModelRef> {
        self.names()
    }
}
