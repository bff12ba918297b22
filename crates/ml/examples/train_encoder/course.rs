//! The stages of training.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use baeum_ml::learning::encoder::word_pieces::WordPieces;
use candle_core::Tensor;

use crate::corpus::anyhow_lite::Result;
use crate::corpus::{Clean, Example, Word};
use crate::corrupt::Corruptor;
use crate::learn::{Learner, Sample};
use crate::lexicon::Lexicon;
use crate::rng::Rng;

/// Sentences of a batch.
const BATCH: usize = 32;
/// Sentences with made mistakes beside each batch of learners' sentences: they alone teach categories.
const BESIDE: usize = 4;
const CLEAN_SHARE: f64 = 0.25;
/// Share of the steps in which the learning rate rises.
const WARM: f64 = 0.06;

/// The weights of a network, by name.
pub(crate) type Tensors = HashMap<String, Tensor>;

/// Everything that is read.
pub(crate) struct Texts {
    pub(crate) clean: Clean,
    pub(crate) lexicon: Arc<Lexicon>,
    pub(crate) fce: Vec<Example>,
    pub(crate) dev: Vec<Example>,
}

/// Learners' sentences without a mistake, with lemmas and Penn tags: mistakes are put into them as into other clean
/// text, so that made mistakes stand in learners' prose too.
pub(crate) fn sound(fce: &[Example], lexicon: &Lexicon) -> Vec<Vec<Word>> {
    let sound = fce.iter().filter(|example| example.tags.iter().all(|tag| *tag == 0));
    sound.filter(|example| (3..=60).contains(&example.words.len())).map(|e| lexicon.tagged(&e.words)).collect()
}

/// What all stages of training have in common.
pub(crate) struct Course<'a> {
    pub(crate) texts: &'a Texts,
    pub(crate) pieces: &'a str,
    pub(crate) rate: f64,
    pub(crate) started: Instant,
}

impl Course<'_> {
    /// Some passes, from weights to averaged weights: over learners' sentences, or over made mistakes alone.
    /// `each` sees what there is after each pass.
    pub(crate) fn stage(
        &self,
        tensors: Tensors,
        passes: u32,
        learners: bool,
        rng: &mut Rng,
        each: impl Fn(&Tensors, u32) -> Result<()>,
    ) -> Result<Tensors> {
        let Texts { clean, lexicon, fce, .. } = self.texts;
        let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
        let mut averages = tensors.clone();
        let mut learner = Learner::new(tensors, WordPieces::parse(self.pieces))?;
        let sentences = if learners { fce.len() } else { clean.train.len() };
        let batches = sentences.div_ceil(BATCH);
        let steps = batches * passes as usize;
        let rate = |step: usize| {
            let done = step as f64 / steps as f64;
            self.rate * (done / WARM).min((1.0 - done) / (1.0 - WARM))
        };
        let mut step = 0;
        for pass in 1..=passes {
            let mut examples: Vec<Example> = clean.train.iter().map(|s| corruptor.example(s, rng)).collect();
            rng.shuffle(&mut examples);
            let mut samples: Vec<Sample> = if learners {
                fce.iter().map(|example| Sample::new(example, true, false)).collect()
            } else {
                examples.iter().map(|example| Sample::new(example, true, true)).collect()
            };
            rng.shuffle(&mut samples);
            let mut loss = 0.0;
            for (at, batch) in samples.chunks(BATCH).enumerate() {
                let mut batch = batch.to_vec();
                if learners {
                    let beside =
                        (0..BESIDE).filter_map(|one| examples.get((at * BESIDE + one) % examples.len().max(1)));
                    batch.extend(beside.map(|example| Sample::new(example, false, true)));
                    rng.shuffle(&mut batch);
                }
                step += 1;
                loss += learner.step(&batch, rate(step), rng)?;
                if step % 50 == 0 {
                    let (mean, seconds) = (loss / (at + 1) as f64, self.started.elapsed().as_secs_f64());
                    println!("step {step} of {steps}: loss {mean:.4}, {seconds:.0} s");
                }
            }
            println!("pass {pass}: loss {:.4}", loss / batches.max(1) as f64);
            averages = learner.averages()?;
            each(&averages, pass)?;
        }
        Ok(averages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_learners_sentences_without_a_mistake_get_made_ones() {
        let example = |words: &[&str], tags: &[u32]| Example {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            tags: tags.to_vec(),
            pos: Vec::new(),
        };
        let treebank = vec![vec![Word::new("She", "she", "PRP"), Word::new("sings", "sing", "VBZ")]];
        let fce = [
            example(&["She", "sings", "."], &[0, 0, 0]),
            example(&["She", "sing", "."], &[0, 1, 0]),
            example(&["Hello", "!"], &[0, 0]),
        ];
        let sound = sound(&fce, &Lexicon::learn(&treebank));
        let forms: Vec<Vec<&str>> = sound.iter().map(|s| s.iter().map(|word| word.form.as_str()).collect()).collect();
        assert_eq!(forms, [["She", "sings", "."]]);
        assert_eq!(sound[0][1].tag, "VBZ");
    }
}
