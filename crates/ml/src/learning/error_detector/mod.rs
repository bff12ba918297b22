//! A token-level detector of grammatical errors in English.
//!
//! Text is cut into tokens and sentences ([`tokenize`]), tokens become rows of tables ([`features`]), also by how often
//! their neighbours were seen beside them ([`evidence`]), a small convolutional network gives each token a probability of each tag ([`model`]), and tags become spans and a score
//! ([`verdict`]). How it is trained, on what, and how well it does: `docs/models.md`.

pub mod evidence;
pub mod features;
pub mod irregular;
pub mod manifest;
pub mod model;
pub mod suggest;
pub mod tags;
pub mod tokenize;
pub mod verdict;

use std::time::Instant;

use baeum_domain::learning::evaluation::{Answer, ErrorCategory, Evaluator, EvaluatorError, Verdict};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use evidence::Evidence;
use features::Vocabulary;
use manifest::Manifest;
use model::{Batch, Network};
use tags::TAGS;
use tokenize::Token;

/// The weights that this crate carries.
const WEIGHTS: &[u8] = include_bytes!("../../../weights/error-detector.safetensors");
const MANIFEST: &str = include_str!("../../../weights/error-detector.json");

/// Tokens that the network sees at once; a longer sentence is read in windows that overlap.
pub const WINDOW: usize = 64;
const STEP: usize = 48;
/// Lengths to which windows are padded, so that few shapes occur.
const LENGTHS: [usize; 4] = [8, 16, 32, WINDOW];

/// Probability of a mistake where a and an are confused: the one thing that a rule knows better than the network.
const RULE_CONFIDENCE: f32 = 0.95;

/// Why the detector could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The manifest is not what it should be.
    #[error("the manifest of the error detector cannot be read: {0}; make both files anew with the training command")]
    Manifest(#[from] serde_json::Error),
    /// The weights are not those of the manifest.
    #[error("the weights of {model_id} have SHA-256 {found}, the manifest says {expected}; take both from one build")]
    Hash {
        /// Which model.
        model_id: String,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// The weights lack a tensor, or have one of other dimensions.
    #[error("the weights of the error detector do not fit its network: {0}; train it anew")]
    Weights(#[from] candle_core::Error),
    /// The vocabulary in the weights is not UTF-8.
    #[error("the vocabulary of the error detector is not text: {0}; train it anew")]
    Vocabulary(#[from] std::string::FromUtf8Error),
}

/// The detector. Immutable once loaded: it can be shared between threads, and answers the same to the same text.
#[derive(Debug)]
pub struct ErrorDetector {
    network: Network,
    vocabulary: Vocabulary,
    evidence: Evidence,
    calibration: verdict::Calibration,
    model_id: String,
    weights_hash: String,
}

impl ErrorDetector {
    /// Loads the weights that this crate carries.
    ///
    /// # Errors
    /// Where weights and manifest do not belong together or do not fit this code.
    pub fn load() -> Result<Self, LoadError> {
        Self::from_bytes(WEIGHTS, MANIFEST)
    }

    /// Loads weights (safetensors) that belong to a manifest (JSON).
    ///
    /// # Errors
    /// Where they do not belong together or do not fit this code.
    pub fn from_bytes(weights: &[u8], manifest: &str) -> Result<Self, LoadError> {
        let manifest: Manifest = serde_json::from_str(manifest)?;
        let found = manifest::sha256(weights);
        // Products of this size are several times slower when shared between threads (measured: docs/models.md), and
        // answers are evaluated side by side anyway. Of the process, not of this value; candle's products only.
        gemm::set_threading_threshold(usize::MAX);
        if found != manifest.weights_sha256 {
            return Err(LoadError::Hash { model_id: manifest.model_id, expected: manifest.weights_sha256, found });
        }
        let mut tensors = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
        let mut take = |name: &str| {
            tensors.remove(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() })
        };
        let vocabulary = String::from_utf8(take("vocabulary")?.to_vec1::<u8>()?)?;
        let calibration = take("calibration")?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let calibration = verdict::Calibration::from_values(&calibration)
            .ok_or_else(|| candle_core::Error::Msg(format!("{calibration:?} is no calibration")))?;
        let levels = take("levels")?.to_vec1::<u8>()?;
        let evidence =
            Evidence::from_bytes(levels).ok_or_else(|| candle_core::Error::Msg("the levels are too few".to_owned()))?;
        let network = Network::new(&VarBuilder::from_tensors(widened(tensors)?, DType::F32, &Device::Cpu))?;
        Ok(Self {
            network,
            vocabulary: Vocabulary::parse(&vocabulary),
            evidence,
            calibration,
            model_id: manifest.model_id,
            weights_hash: found,
        })
    }

    /// Probabilities of the tags, in the order of [`TAGS`], for each token of one sentence. Tokens that are not
    /// judged (punctuation, numbers, words of other scripts) have probability 1 of "nothing wrong"; a before a vowel
    /// sound and an before a consonant have at least 0.95 of a wrong article, by rule.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn probabilities(&self, sentence: &[Token]) -> candle_core::Result<Vec<[f32; TAGS.len()]>> {
        let rows = features::features(sentence, &self.vocabulary, &self.evidence);
        let mut all = vec![[0.0; TAGS.len()]; sentence.len()];
        for start in (0..sentence.len()).step_by(STEP) {
            let end = (start + WINDOW).min(sentence.len());
            let length = LENGTHS.into_iter().find(|length| end - start <= *length).unwrap_or(WINDOW);
            let batch = Batch::new(&[rows[start..end].to_vec()], length)?;
            let hidden = self.network.hidden(&batch, &mut Ok)?;
            let found =
                self.network.log_probabilities(&hidden, self.calibration.temperature)?.exp()?.to_vec2::<f32>()?;
            // In the overlap each window answers for the half that lies farther from its end.
            let skip = if start == 0 { 0 } else { (WINDOW - STEP) / 2 };
            for (target, row) in all[start..end].iter_mut().zip(found).skip(skip) {
                for (to, from) in target.iter_mut().zip(row) {
                    *to = from;
                }
            }
            if end == sentence.len() {
                break;
            }
        }
        for (at, (token, row)) in sentence.iter().zip(&mut all).enumerate() {
            if !token.is_judged() {
                *row = certain(0, 1.0);
            } else if suggest::is_wrong_article(sentence, at) && verdict::error(row) < f64::from(RULE_CONFIDENCE) {
                *row = certain(tags::index(Some(ErrorCategory::Article)), RULE_CONFIDENCE);
            }
        }
        Ok(all)
    }

    /// Score and spans of a text of any length.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn judge(&self, text: &str) -> candle_core::Result<verdict::Judgement> {
        let tokens = tokenize::tokenize(text);
        let mut judgement = verdict::Judge::new(self.calibration);
        for range in tokenize::sentences(&tokens) {
            let sentence = &tokens[range];
            judgement.add(sentence, &self.probabilities(sentence)?, &self.vocabulary);
        }
        Ok(judgement.finish())
    }

    /// The same detector with another calibration, for fitting and measuring.
    #[must_use]
    pub fn with_calibration(mut self, calibration: verdict::Calibration) -> Self {
        self.calibration = calibration;
        self
    }

    /// Temperature, threshold and curve of the score in use.
    pub fn calibration(&self) -> verdict::Calibration {
        self.calibration
    }
}

/// Probabilities of a token about which something else than the network is certain.
fn certain(tag: usize, probability: f32) -> [f32; TAGS.len()] {
    let mut row = [0.0; TAGS.len()];
    row[0] = 1.0 - probability;
    row[tag] = probability;
    row
}

/// Tensors of any float type as f32.
fn widened(
    tensors: std::collections::HashMap<String, Tensor>,
) -> candle_core::Result<std::collections::HashMap<String, Tensor>> {
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?))).collect()
}

impl Evaluator for ErrorDetector {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        let started = Instant::now();
        // The reason names tensors and shapes, never the learner's text.
        let failed =
            |e: candle_core::Error| EvaluatorError::Failed { model_id: self.model_id.clone(), reason: e.to_string() };
        let judgement = self.judge(answer.text).map_err(failed)?;
        Ok(Verdict {
            score: judgement.score,
            spans: judgement.spans,
            model_id: self.model_id.clone(),
            weights_hash: self.weights_hash.clone(),
            latency_us: u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX),
            meaning: None,
        })
    }

    fn model_id(&self) -> &str {
        &self.model_id
    }

    fn weights_hash(&self) -> &str {
        &self.weights_hash
    }
}
