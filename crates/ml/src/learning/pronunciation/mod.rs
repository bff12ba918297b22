//! How a text was spoken: every sound, word and pause of a recording.
//!
//! An audio file becomes samples ([`audio`]) and frames ([`features`]); a small convolutional network gives each frame a
//! probability of each sound ([`model`]); the text, looked up in a pronouncing dictionary ([`lexicon`]), is laid along
//! the frames ([`graph`]); each sound is compared with what else could have stood there ([`goodness`]); and sounds
//! become a verdict ([`verdict`]). How it is trained, on what, and how well it does: `docs/models.md`.

pub mod audio;
pub mod features;
pub mod goodness;
pub mod graph;
pub mod lexicon;
pub mod model;
pub mod verdict;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baeum_domain::learning::speech::{Listener, MAX_SPOKEN_WORDS, Speech, SpeechError, SpeechVerdict};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::error_detector::manifest::{Manifest, sha256};
use features::Frames;
use goodness::{Evidence, Judge, evidence};
use graph::{CLASSES, Graph, Segment};
use lexicon::{Lexicon, Pronunciation};
use model::Network;
use verdict::Thresholds;

/// The file of the weights in the folder of a model.
pub const WEIGHTS: &str = "pronunciation.safetensors";
/// The file that says what they are.
pub const MANIFEST: &str = "pronunciation.json";

/// How much of the share of a class is taken out of its posteriors where sounds are laid along and compared: the whole of
/// it favours rare sounds too much, none of it frequent ones. Chosen on speakers that the network did not learn from.
pub const PRIOR_WEIGHT: f32 = 0.3;

const SHIPPED_WEIGHTS: &[u8] = include_bytes!("../../../weights/pronunciation.safetensors");
const SHIPPED_MANIFEST: &str = include_str!("../../../weights/pronunciation.json");

/// Why the model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}; give the folder that the training command wrote (docs/speaking.md)")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The manifest is not what it should be.
    #[error("the manifest of the speech model cannot be read: {0}; make both files anew with the training command")]
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
    #[error("the weights of the speech model do not fit its network: {0}; train it anew")]
    Weights(#[from] candle_core::Error),
    /// The manifest, or the dictionary in the weights, is not UTF-8.
    #[error("the manifest or dictionary of the speech model is not text: {0}; train it anew")]
    Text(#[from] std::string::FromUtf8Error),
}

/// The model. Immutable once loaded: it can be shared between threads, and answers the same to the same recording.
#[derive(Debug)]
pub struct PhoneModel {
    network: Network,
    judge: Judge,
    /// Logarithm of the share of each class in what it was trained on.
    prior: Vec<f32>,
    lexicon: Lexicon,
    thresholds: Thresholds,
    model_id: String,
    weights_hash: String,
}

/// What the network heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Logarithms of the probabilities of the classes, [`CLASSES`] a frame.
    pub posteriors: Vec<f32>,
    /// The same less a part of the logarithms of the shares of the classes: less all of it, they would be likelihoods but
    /// for a factor.
    pub scores: Vec<f32>,
}

/// A sound that was found in a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardSound {
    /// Where.
    pub segment: Segment,
    /// What speaks for and against it.
    pub evidence: Evidence,
    /// Probability that it was said as the text has it.
    pub probability: f64,
}

impl PhoneModel {
    /// Loads the weights that this crate carries.
    ///
    /// # Errors
    /// Where weights and manifest do not belong together or do not fit this code.
    pub fn shipped() -> Result<Self, LoadError> {
        Self::from_bytes(SHIPPED_WEIGHTS, SHIPPED_MANIFEST)
    }

    /// Loads the weights and manifest of a folder.
    ///
    /// # Errors
    /// Where they cannot be read, do not belong together or do not fit this code.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| LoadError::File { path, error })
        };
        Self::from_bytes(&read(WEIGHTS)?, &String::from_utf8(read(MANIFEST)?)?)
    }

    /// Loads weights (safetensors) that belong to a manifest (JSON).
    ///
    /// # Errors
    /// Where they do not belong together or do not fit this code.
    pub fn from_bytes(weights: &[u8], manifest: &str) -> Result<Self, LoadError> {
        let manifest: Manifest = serde_json::from_str(manifest)?;
        let found = sha256(weights);
        // As for the error detector: products of this size are slower when shared between threads.
        gemm::set_threading_threshold(usize::MAX);
        if found != manifest.weights_sha256 {
            return Err(LoadError::Hash { model_id: manifest.model_id, expected: manifest.weights_sha256, found });
        }
        let mut tensors = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
        let mut take = |name: &str| {
            tensors.remove(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() })
        };
        let lexicon = String::from_utf8(take("lexicon")?.to_vec1::<u8>()?)?;
        let prior = take("prior")?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let thresholds = take("thresholds")?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let thresholds = Thresholds::from_values(&thresholds)
            .ok_or_else(|| candle_core::Error::Msg(format!("{thresholds:?} are no thresholds")))?;
        if prior.len() != CLASSES {
            return Err(candle_core::Error::Msg(format!("{} shares of {CLASSES} classes", prior.len())).into());
        }
        let widened: HashMap<String, Tensor> = tensors
            .into_iter()
            .map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?)))
            .collect::<candle_core::Result<_>>()?;
        let builder = VarBuilder::from_tensors(widened, DType::F32, &Device::Cpu);
        Ok(Self {
            network: Network::new(&builder)?,
            judge: Judge::new(&builder)?,
            prior,
            lexicon: Lexicon::parse(lexicon),
            thresholds,
            model_id: manifest.model_id,
            weights_hash: found,
        })
    }

    /// What the network hears in frames.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn hear(&self, frames: &Frames) -> candle_core::Result<Heard> {
        Ok(Heard::new(self.network.run(&frames.values)?, &self.prior, PRIOR_WEIGHT))
    }

    /// Lays words along what was heard, and judges their sounds. `None` where there are fewer frames than sounds.
    /// `skip` lets words be left out.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn sounds(
        &self,
        heard: &Heard,
        words: &[Vec<Pronunciation>],
        skip: bool,
    ) -> candle_core::Result<Option<(Vec<Segment>, Vec<HeardSound>)>> {
        let Some((segments, found)) = heard.sounds(words, skip) else { return Ok(None) };
        let probabilities =
            self.judge.probabilities(&found.iter().map(|(_, evidence)| evidence).collect::<Vec<_>>())?;
        let judged = found.into_iter().zip(probabilities);
        let sound = |((segment, evidence), probability)| HeardSound { segment, evidence, probability };
        Ok(Some((segments, judged.map(sound).collect())))
    }

    /// What weighs the evidence.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The dictionary.
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// What decides.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    fn verdict(&self, speech: &Speech<'_>, started: Instant) -> Result<SpeechVerdict, SpeechError> {
        let words = self.lexicon.words(speech.text);
        if words.len() > MAX_SPOKEN_WORDS {
            return Err(SpeechError::TextTooLong { words: words.len() });
        }
        if words.iter().all(|word| word.variants.is_empty()) {
            return Err(SpeechError::NothingToJudge);
        }
        let samples = audio::decode(speech.audio)?;
        audio::check(&samples)?;
        let frames = features::frames(&samples);
        let length = |count: usize, step: usize| u32::try_from(count * step).unwrap_or(u32::MAX);
        // The reason names tensors and shapes, never what was said.
        let failed =
            |e: candle_core::Error| SpeechError::Failed { model_id: self.model_id.clone(), reason: e.to_string() };
        let heard = self.hear(&frames).map_err(failed)?;
        let variants: Vec<_> = words.iter().map(|word| word.variants.clone()).collect();
        let (segments, sounds) = self
            .sounds(&heard, &variants, true)
            .map_err(failed)?
            .ok_or(SpeechError::TooFast { words: words.len(), length_ms: length(frames.len(), features::FRAME_MS) })?;
        let found = verdict::verdict(&words, &segments, &sounds, frames.start_ms, self.thresholds)?;
        Ok(SpeechVerdict {
            recording_ms: length(samples.len() / 16, 1),
            model_id: self.model_id.clone(),
            weights_hash: self.weights_hash.clone(),
            latency_us: u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX),
            ..found
        })
    }
}

impl Heard {
    /// From what a network gives, the logarithms of the shares of the classes, and how much of those is taken out, 0 to 1.
    pub fn new(posteriors: Vec<f32>, prior: &[f32], weight: f32) -> Self {
        let less = |row: &[f32]| row.iter().zip(prior).map(|(p, prior)| p - weight * prior).collect::<Vec<_>>();
        let scores = posteriors.chunks_exact(CLASSES).flat_map(less).collect();
        Self { posteriors, scores }
    }

    /// Lays words along the frames: every segment, and those of sounds with what speaks for and against them.
    #[allow(clippy::type_complexity, reason = "two lists, each told above")]
    pub fn sounds(&self, words: &[Vec<Pronunciation>], skip: bool) -> Option<(Vec<Segment>, Vec<(Segment, Evidence)>)> {
        let (segments, _) = Graph::new(words, skip).align(&self.scores)?;
        let found = evidence(&segments, &self.scores, &self.posteriors);
        let sounds = segments.iter().zip(found).filter_map(|(segment, found)| Some((*segment, found?))).collect();
        Some((segments, sounds))
    }
}

impl Listener for PhoneModel {
    fn listen(&self, speech: &Speech<'_>) -> Result<SpeechVerdict, SpeechError> {
        self.verdict(speech, Instant::now())
    }

    fn model_id(&self) -> &str {
        &self.model_id
    }

    fn weights_hash(&self) -> &str {
        &self.weights_hash
    }
}
