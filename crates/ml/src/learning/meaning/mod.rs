//! How near an answer's meaning is to that of a reference: sentence embeddings by MiniLM (Wang et al., 2020; Reimers &
//! Gurevych, 2019), and their cosine.
//!
//! It estimates meaning and nothing else: it sees no grammar, hardly a negation, and the words of a sentence in any order
//! are still near it (docs/models.md). So it is told beside a score and never mixed into one.

mod evaluator;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, path::Path, sync::Arc};

use baeum_domain::learning::evaluation::{Answer, Meaning, ModelRef};
use candle_core::{Result, Tensor};
use quick_cache::sync::Cache;

pub use evaluator::WithMeaning;

use super::encoder::{
    minilm::{self, MiniLmError},
    network::{Bert, Packed},
    word_pieces::WordPieces,
};

/// The model as verdicts state it.
pub const MODEL_ID: &str = "all-minilm-l6-v2";
/// Word pieces of a text that are read, both ends included; what is beyond is not seen.
pub const MOST: usize = 256;
/// Cells that go through the network at once; a longer text goes alone.
const CELLS: usize = 512;
/// References whose embeddings are kept, 1.5 kB each.
const KEPT: usize = 2_048;

/// A text's place among meanings, of length 1.
pub type Embedding = Arc<[f32]>;

/// Embeds texts. Immutable but for embeddings that it keeps: it can be shared between threads, and a text has the same
/// embedding to the bit whatever is embedded beside it.
#[derive(Debug)]
pub struct SentenceEncoder {
    bert: Bert,
    pieces: WordPieces,
    model: ModelRef,
    references: Cache<String, Embedding>,
}

impl SentenceEncoder {
    /// Loads the folder that `scripts/minilm` wrote.
    ///
    /// # Errors
    /// Where a file is missing, or is not the one that this was written for.
    pub fn load(folder: &Path) -> std::result::Result<Self, MiniLmError> {
        let (weights, pieces) = minilm::read(folder)?;
        let model = ModelRef { model_id: MODEL_ID.to_owned(), weights_hash: minilm::WEIGHTS.1.to_owned() };
        Ok(Self::new(&weights, WordPieces::parse(&pieces), model)?)
    }

    /// An encoder of these weights, by the names of [`super::encoder::network::bert_tensors`].
    ///
    /// # Errors
    /// Where a tensor is missing or has other dimensions.
    pub fn new(weights: &HashMap<String, Tensor>, pieces: WordPieces, model: ModelRef) -> Result<Self> {
        // One thread a product: sums are then taken in one order, and answers are evaluated side by side anyway.
        gemm::set_threading_threshold(usize::MAX);
        Ok(Self { bert: Bert::new(weights)?, pieces, model, references: Cache::new(KEPT) })
    }

    /// Which model this is.
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The embeddings of texts, in their order: the mean of the last layer over all pieces and both ends.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>> {
        let mut found = Vec::with_capacity(texts.len());
        let mut open = Packed::default();
        for text in texts {
            let rows = self.pieces.text(text, MOST - 2);
            if open.cells() > 0 && open.cells() + rows.len() + 2 > CELLS {
                found.extend(self.pass(&open)?);
                open = Packed::default();
            }
            open.push_text(&rows, &self.pieces);
        }
        if open.cells() > 0 {
            found.extend(self.pass(&open)?);
        }
        Ok(found)
    }

    fn pass(&self, packed: &Packed) -> Result<Vec<Embedding>> {
        let hidden = self.bert.hidden(&self.bert.embedded(packed)?, None, packed, None)?;
        let hidden = hidden.to_vec2::<f32>()?;
        Ok(packed.ranges().iter().map(|range| direction(&hidden[range.clone()])).collect())
    }

    /// How near each answer is to its references; `None` for one without any. Embeddings of references are kept.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn meanings(&self, answers: &[Answer<'_>]) -> Result<Vec<Option<Meaning>>> {
        let compared = || answers.iter().filter(|answer| !answer.references.is_empty());
        let mut texts: Vec<&str> = compared().map(|answer| answer.text).collect();
        let asked = texts.len();
        for reference in compared().flat_map(|answer| answer.references) {
            if self.references.get(reference).is_none() && !texts[asked..].contains(&reference.as_str()) {
                texts.push(reference);
            }
        }
        let embeddings = self.embed(&texts)?;
        // What was kept a moment ago may have had to make room for another.
        let fresh: HashMap<&str, &Embedding> = texts[asked..].iter().copied().zip(&embeddings[asked..]).collect();
        for (text, embedding) in &fresh {
            self.references.insert((*text).to_owned(), Arc::clone(embedding));
        }
        let of = |reference: &String| match fresh.get(reference.as_str()) {
            Some(embedding) => Ok(Arc::clone(embedding)),
            None => match self.references.get(reference) {
                Some(embedding) => Ok(embedding),
                None => self.embed(&[reference]).map(|it| it.into_iter().next().unwrap_or_default()),
            },
        };
        let mut embeddings = embeddings.iter();
        let meaning = |answer: &Answer<'_>| {
            if answer.references.is_empty() {
                return Ok(None);
            }
            let Some(embedding) = embeddings.next() else { candle_core::bail!("an answer has no embedding") };
            let mut nearest: Option<Meaning> = None;
            for (reference, text) in (0..).zip(answer.references) {
                let similarity = similarity(embedding, &of(text)?);
                if nearest.as_ref().is_none_or(|it| similarity > it.similarity) {
                    nearest = Some(Meaning { similarity, reference, model: self.model.clone() });
                }
            }
            Ok(nearest)
        };
        answers.iter().map(meaning).collect()
    }
}

/// The mean of rows, to length 1.
fn direction(rows: &[Vec<f32>]) -> Embedding {
    let mut sum = vec![0.0f32; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    // The number of rows falls out: only the direction of the sum counts.
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    sum.iter().map(|value| value / length).collect()
}

/// The cosine of two embeddings, −1 to 1, to four places.
pub fn similarity(a: &[f32], b: &[f32]) -> f64 {
    let cosine: f64 = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    (cosine.clamp(-1.0, 1.0) * 1e4).round() / 1e4
}
