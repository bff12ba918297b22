//! The large detector of mistakes: an encoder of the MiniLM kind that operators train themselves.
//!
//! It stands behind the same port as the small one ([`super::error_detector`]) and shares its tokens, its suggestions
//! and its way from probabilities to spans and score. Word pieces ([`word_pieces`]) go through a network ([`network`])
//! that says of each token how likely it is wrong, and of what kind the mistake would be. How it is trained, on what,
//! and how well it does: `docs/models.md`.

mod attention;
pub mod minilm;
pub mod network;
pub mod ops;
#[cfg(test)]
mod tests;
pub mod word_pieces;

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use baeum_domain::learning::evaluation::{Answer, ErrorCategory, Evaluator, EvaluatorError, Verdict};
use candle_core::{DType, Device, Tensor};

use super::error_detector::features::Vocabulary;
use super::error_detector::manifest::{Manifest, sha256};
use super::error_detector::suggest;
use super::error_detector::tags::{self, TAGS};
use super::error_detector::tokenize::{self, Token};
use super::error_detector::verdict::{Calibration, Judge, Judgement, error};
use network::{Network, OUTPUTS, Packed, WINDOW};
use word_pieces::WordPieces;

/// The weights in the folder of the model: tensors, word pieces, words for suggestions, calibration.
pub const WEIGHTS: &str = "encoder.safetensors";
/// The manifest in the folder of the model.
pub const MANIFEST: &str = "manifest.json";
const STEP: usize = 64;
/// Cells that go through the network at once; a longer sentence goes alone.
const CELLS: usize = 512;
/// Probability of a mistake where a and an are confused: by rule.
const RULE_CONFIDENCE: f32 = 0.95;

/// Why the detector could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file of the folder is missing or closed.
    #[error("{path} cannot be read: {source}; the training command writes it (docs/models.md)")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The manifest is not what it should be.
    #[error("the manifest of the encoder cannot be read: {0}; make the folder anew with the training command")]
    Manifest(#[from] serde_json::Error),
    /// The weights are not those of the manifest.
    #[error("the weights of {model_id} have SHA-256 {found}, the manifest says {expected}; take both from one run")]
    Hash {
        /// Which model.
        model_id: String,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// The weights lack a tensor, or have one of other dimensions.
    #[error("the weights of the encoder do not fit its network: {0}; train it anew")]
    Weights(#[from] candle_core::Error),
    /// A vocabulary in the weights is not UTF-8.
    #[error("a vocabulary of the encoder is not text: {0}; train it anew")]
    Vocabulary(#[from] std::string::FromUtf8Error),
}

/// The probabilities of a token's tags, in the order of [`TAGS`].
pub type Row = [f32; TAGS.len()];

/// The detector. Immutable once loaded: it can be shared between threads, and answers the same to the same text,
/// whatever is evaluated beside it.
#[derive(Debug)]
pub struct EncoderDetector {
    network: Network,
    pieces: WordPieces,
    vocabulary: Vocabulary,
    calibration: Calibration,
    model_id: String,
    weights_hash: String,
}

impl EncoderDetector {
    /// Loads a folder that the training command wrote.
    ///
    /// # Errors
    /// Where a file is missing, or weights and manifest do not belong together or do not fit this code.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| LoadError::File { path: path.display().to_string(), source })
        };
        let manifest = String::from_utf8(read(MANIFEST)?)?;
        Self::from_bytes(&read(WEIGHTS)?, &manifest)
    }

    /// Loads weights (safetensors) that belong to a manifest (JSON).
    ///
    /// # Errors
    /// Where they do not belong together or do not fit this code.
    pub fn from_bytes(weights: &[u8], manifest: &str) -> Result<Self, LoadError> {
        let manifest: Manifest = serde_json::from_str(manifest)?;
        let found = sha256(weights);
        // One thread a product: sums are then taken in one order, and answers are evaluated side by side anyway.
        gemm::set_threading_threshold(usize::MAX);
        if found != manifest.weights_sha256 {
            return Err(LoadError::Hash { model_id: manifest.model_id, expected: manifest.weights_sha256, found });
        }
        let mut tensors = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
        let mut take = |name: &str| {
            tensors.remove(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() })
        };
        let pieces = String::from_utf8(take("word_pieces")?.to_vec1::<u8>()?)?;
        let vocabulary = String::from_utf8(take("vocabulary")?.to_vec1::<u8>()?)?;
        let calibration = take("calibration")?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let calibration = Calibration::from_values(&calibration)
            .ok_or_else(|| candle_core::Error::Msg(format!("{calibration:?} is no calibration")))?;
        let widened = tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)));
        let tensors: HashMap<String, Tensor> = widened.collect::<candle_core::Result<_>>()?;
        let pieces = WordPieces::parse(&pieces);
        if tensors.get("pieces").is_none_or(|table| table.dim(0).ok() != Some(pieces.len())) {
            return Err(candle_core::Error::Msg(format!("{} word pieces have no row each", pieces.len())).into());
        }
        Ok(Self {
            network: Network::new(&tensors)?,
            pieces,
            vocabulary: Vocabulary::parse(&vocabulary),
            calibration,
            model_id: manifest.model_id,
            weights_hash: found,
        })
    }

    /// Probabilities of the tags for each token of each sentence. A sentence without an English word has probability
    /// 1 of "nothing wrong" throughout, as have tokens of other scripts; a before a vowel sound and an before a
    /// consonant have at least 0.95 of a wrong article, by rule. Punctuation and numbers are judged too.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn probabilities(&self, sentences: &[&[Token]]) -> candle_core::Result<Vec<Vec<Row>>> {
        let mut all: Vec<Vec<Row>> = sentences.iter().map(|sentence| vec![certain(0, 1.0); sentence.len()]).collect();
        let judged = sentences.iter().enumerate().filter(|(_, sentence)| sentence.iter().any(Token::is_judged));
        let windows: Vec<(usize, usize, usize)> = judged
            .flat_map(|(at, sentence)| windows(sentence.len()).map(move |(start, end)| (at, start, end)))
            .collect();
        let mut open = (Packed::default(), Vec::new());
        for window in windows {
            let (at, start, end) = window;
            let mut packed = Packed::default();
            packed.push(&sentences[at][start..end], &self.pieces);
            if open.0.cells() + packed.cells() > CELLS && !open.1.is_empty() {
                self.pass(&open, sentences, &mut all)?;
                open = (Packed::default(), Vec::new());
            }
            open.0.push(&sentences[at][start..end], &self.pieces);
            open.1.push(window);
        }
        if !open.1.is_empty() {
            self.pass(&open, sentences, &mut all)?;
        }
        Ok(all)
    }

    /// Computes packed windows and writes what they answer for.
    fn pass(
        &self,
        (packed, windows): &(Packed, Vec<(usize, usize, usize)>),
        sentences: &[&[Token]],
        all: &mut [Vec<Row>],
    ) -> candle_core::Result<()> {
        let hidden = self.network.hidden(&self.network.embedded(packed)?, packed, None)?;
        let logits = self.network.logits(&hidden, packed)?.to_vec2::<f32>()?;
        let mut logits = logits.iter();
        for (at, start, end) in windows {
            // In the overlap each window answers for the half that lies farther from its end.
            let skip = if *start == 0 { 0 } else { (WINDOW - STEP) / 2 };
            let sentence = sentences[*at];
            for (token, target) in (*start..*end).zip(&mut all[*at][*start..*end]) {
                let Some(found) = logits.next() else { candle_core::bail!("a token has no logits") };
                if token >= start + skip && is_read(&sentence[token]) {
                    *target = row(found, self.calibration.temperature);
                }
                if error(target) < f64::from(RULE_CONFIDENCE) && suggest::is_wrong_article(sentence, token) {
                    *target = certain(tags::index(Some(ErrorCategory::Article)), RULE_CONFIDENCE);
                }
            }
        }
        Ok(())
    }

    /// Score and spans of texts of any length. What one text gets does not depend on the others.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn judge(&self, texts: &[&str]) -> candle_core::Result<Vec<Judgement>> {
        let tokens: Vec<Vec<Token>> = texts.iter().map(|text| tokenize::tokenize(text)).collect();
        let of = |tokens: &Vec<Token>| tokenize::sentences(tokens);
        let ranges: Vec<_> = tokens.iter().map(of).collect();
        let pairs = tokens.iter().zip(&ranges);
        let sentences: Vec<&[Token]> =
            pairs.clone().flat_map(|(tokens, ranges)| ranges.iter().map(|range| &tokens[range.clone()])).collect();
        let mut rows = self.probabilities(&sentences)?.into_iter();
        let mut judgements = Vec::with_capacity(texts.len());
        for (tokens, ranges) in pairs {
            let mut judge = Judge::new(self.calibration);
            for (range, rows) in ranges.iter().zip(&mut rows) {
                judge.add(&tokens[range.clone()], &rows, &self.vocabulary);
            }
            judgements.push(judge.finish());
        }
        Ok(judgements)
    }

    /// The same detector with another calibration, for fitting and measuring.
    #[must_use]
    pub fn with_calibration(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
        self
    }

    /// Temperature, threshold and curve of the score in use.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }
}

/// Begin and end of each window over a sentence of so many tokens.
fn windows(length: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = Some(0);
    std::iter::from_fn(move || {
        let from = start?;
        let end = (from + WINDOW).min(length);
        start = (end < length).then_some(from + STEP);
        Some((from, end))
    })
}

/// Whether the detector has an opinion about the token: not about words of other scripts.
fn is_read(token: &Token) -> bool {
    token.is_judged() || !token.is_word()
}

/// Probabilities of a token about which something else than the network is certain.
fn certain(tag: usize, probability: f32) -> Row {
    let mut row = [0.0; TAGS.len()];
    row[0] = 1.0 - probability;
    row[tag] = probability;
    row
}

/// From logits to probabilities: that of a mistake by the first, shared among the categories by the others.
fn row(logits: &[f32], temperature: f64) -> Row {
    let scaled = |logit: f32| f64::from(logit) / temperature;
    let wrong = 1.0 / (1.0 + libm::exp(-scaled(logits[0])));
    let highest = logits[1..OUTPUTS].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares = logits[1..OUTPUTS].iter().map(|logit| libm::exp(f64::from(logit - highest)));
    let sum: f64 = shares.clone().sum();
    let mut row = certain(0, 1.0);
    row[0] = narrow(1.0 - wrong);
    for (place, share) in row[1..].iter_mut().zip(shares) {
        *place = narrow(wrong * share / sum);
    }
    row
}

#[allow(clippy::cast_possible_truncation, reason = "a probability loses nothing that counts")]
fn narrow(value: f64) -> f32 {
    value as f32
}

impl Evaluator for EncoderDetector {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        let failed =
            || EvaluatorError::Failed { model_id: self.model_id.clone(), reason: "no verdict came".to_owned() };
        self.evaluate_batch(std::slice::from_ref(answer)).pop().unwrap_or_else(|| Err(failed()))
    }

    /// Faster than one by one. The latency of each is the time that all of them took.
    fn evaluate_batch(&self, answers: &[Answer<'_>]) -> Vec<Result<Verdict, EvaluatorError>> {
        let started = Instant::now();
        let texts: Vec<&str> = answers.iter().map(|answer| answer.text).collect();
        let judgements = self.judge(&texts);
        let latency_us = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        let verdict = |judgement: Judgement| Verdict {
            score: judgement.score,
            spans: judgement.spans,
            model_id: self.model_id.clone(),
            weights_hash: self.weights_hash.clone(),
            latency_us,
            meaning: None,
        };
        match judgements {
            Ok(judgements) => judgements.into_iter().map(|judgement| Ok(verdict(judgement))).collect(),
            // The reason names tensors and shapes, never a learner's text.
            Err(e) => {
                let failed = EvaluatorError::Failed { model_id: self.model_id.clone(), reason: e.to_string() };
                answers.iter().map(|_| Err(failed.clone())).collect()
            }
        }
    }

    fn model_id(&self) -> &str {
        &self.model_id
    }

    fn weights_hash(&self) -> &str {
        &self.weights_hash
    }
}
