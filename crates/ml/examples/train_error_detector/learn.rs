//! Training: batches, own dropout, gradients over three threads, `AdamW`.

use std::collections::HashMap;

use baeum_ml::learning::error_detector::features::{Features, Vocabulary, normal_form, token_features};
use baeum_ml::learning::error_detector::model::{Batch, HIDDEN, Network, Start, tensors};
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};

use crate::corpus::Example;
use crate::rng::Rng;

/// Threads that share each batch. Part of what makes a run repeatable: sums are taken in their order.
const SHARDS: usize = 3;
const DROPOUT: f64 = 0.2;
/// Weight of the loss of the Penn tags beside that of the mistakes.
const POS_WEIGHT: f64 = 0.3;
/// What a flawed token counts in the loss; a sound one counts 1.
const ERROR_WEIGHT: f32 = 1.0;

/// One example as rows and targets.
#[derive(Clone, Debug)]
struct Row {
    features: Vec<Features>,
    tags: Vec<u32>,
    pos: Vec<Option<u32>>,
}

/// The network in training.
pub(crate) struct Learner {
    vars: Vec<(String, Var)>,
    network: Network,
    pos_head: Tensor,
    optimizer: AdamW,
    pos_tags: HashMap<String, u32>,
}

impl Learner {
    /// Draws every tensor from the seed.
    pub(crate) fn new(pos_tags: &[String], rng: &mut Rng) -> Result<Self> {
        let mut draw = |dims: &[usize], start: Start| {
            let mut value = || match start {
                Start::Ones => 1.0,
                Start::Zeros => 0.0,
                Start::Uniform(width) => ((rng.unit() * 2.0 - 1.0) * width) as f32,
            };
            let values: Vec<f32> = (0..dims.iter().product()).map(|_| value()).collect();
            Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)
        };
        let mut vars = Vec::new();
        for (name, dims, start) in tensors() {
            vars.push((name, draw(&dims, start)?));
        }
        let pos_head = draw(&[HIDDEN, pos_tags.len()], Start::Uniform(0.15))?;
        let named = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let network = Network::new(&VarBuilder::from_tensors(named, DType::F32, &Device::Cpu))?;
        let trained = vars.iter().map(|(_, var)| var.clone()).chain([pos_head.clone()]).collect();
        let optimizer = AdamW::new(trained, ParamsAdamW { weight_decay: 0.01, beta2: 0.99, ..ParamsAdamW::default() })?;
        let pos_tags = pos_tags.iter().cloned().zip(0..).collect();
        Ok(Self { pos_head: pos_head.as_tensor().clone(), vars, network, optimizer, pos_tags })
    }

    /// The tensors to ship, by name.
    pub(crate) fn tensors(&self) -> HashMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    fn row(&self, example: &Example, vocabulary: &Vocabulary, rng: &mut Rng) -> Row {
        let first = example.words.iter().position(|w| w.chars().any(char::is_alphabetic));
        let features = example.words.iter().enumerate().map(|(at, word)| {
            // Rare words are hidden now and then, so that unknown words are nothing new.
            let count = vocabulary.count(&normal_form(word));
            let known = !rng.chance(if count < 12 { 0.25 } else { 0.02 });
            token_features(word, Some(at) == first, vocabulary, known)
        });
        Row {
            features: features.collect(),
            tags: example.tags.clone(),
            pos: example.pos.iter().map(|tag| self.pos_tags.get(tag).copied()).collect(),
        }
    }

    /// One pass over the examples. Returns the mean loss a token.
    pub(crate) fn epoch(
        &mut self,
        examples: &[Example],
        vocabulary: &Vocabulary,
        rate: impl Fn(f64) -> f64,
        rng: &mut Rng,
    ) -> Result<f64> {
        let mut rows: Vec<Row> = examples.iter().map(|example| self.row(example, vocabulary, rng)).collect();
        rng.shuffle(&mut rows);
        // Sorted in stretches, so that a batch pads little and batches still differ from epoch to epoch.
        let mut batches: Vec<Vec<Row>> = Vec::new();
        for stretch in rows.chunks_mut(3000) {
            stretch.sort_by_key(|row| row.features.len());
            let mut open: Vec<Row> = Vec::new();
            for row in stretch.iter() {
                if (open.len() + 1) * row.features.len() > 1800 {
                    batches.push(std::mem::take(&mut open));
                }
                open.push(row.clone());
            }
            batches.push(open);
        }
        batches.retain(|batch| !batch.is_empty());
        rng.shuffle(&mut batches);
        let (mut total, count) = (0.0, batches.len());
        for (at, batch) in batches.into_iter().enumerate() {
            self.optimizer.set_learning_rate(rate(at as f64 / count as f64));
            total += self.step(&batch, rng)?;
        }
        Ok(total / count as f64)
    }

    fn step(&mut self, batch: &[Row], rng: &mut Rng) -> Result<f64> {
        let tokens: usize = batch.iter().map(|row| row.features.len()).sum();
        let shards: Vec<(&[Row], Rng)> =
            batch.chunks(batch.len().div_ceil(SHARDS)).map(|rows| (rows, Rng::new(rng.next()))).collect();
        let this = &*self;
        let parts: Vec<Result<(f64, GradStore)>> = std::thread::scope(|scope| {
            let work = |(rows, rng)| scope.spawn(move || this.gradients(rows, tokens, rng));
            let handles: Vec<_> = shards.into_iter().map(work).collect();
            let join = |h: std::thread::ScopedJoinHandle<'_, _>| {
                h.join().unwrap_or_else(|_| candle_core::bail!("a training thread panicked"))
            };
            handles.into_iter().map(join).collect()
        });
        let mut parts = parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter();
        let Some((mut loss, mut sum)) = parts.next() else { return Ok(0.0) };
        let all: Vec<Tensor> =
            self.vars.iter().map(|(_, v)| v.as_tensor().clone()).chain([self.pos_head.clone()]).collect();
        for (part, grads) in parts {
            loss += part;
            for var in &all {
                match (sum.remove(var), grads.get(var)) {
                    (Some(a), Some(b)) => drop(sum.insert(var, (a + b)?)),
                    (Some(a), None) => drop(sum.insert(var, a)),
                    (None, Some(b)) => drop(sum.insert(var, b.clone())),
                    (None, None) => {}
                }
            }
        }
        self.optimizer.step(&sum)?;
        Ok(loss)
    }

    /// Loss (a share of the mean over `tokens`) and gradients of some rows of a batch.
    fn gradients(&self, rows: &[Row], tokens: usize, mut rng: Rng) -> Result<(f64, GradStore)> {
        let length = rows.iter().map(|row| row.features.len()).max().unwrap_or(1);
        let sentences: Vec<_> = rows.iter().map(|row| row.features.clone()).collect();
        let batch = Batch::new(&sentences, length)?;
        let mut dropout = |x: Tensor| {
            let scale = (1.0 / (1.0 - DROPOUT)) as f32;
            let mask: Vec<f32> = (0..x.elem_count()).map(|_| if rng.chance(DROPOUT) { 0.0 } else { scale }).collect();
            x.mul(&Tensor::from_vec(mask, x.dims(), &Device::Cpu)?)
        };
        let hidden = self.network.hidden(&batch, &mut dropout)?;
        let cells = rows.len() * length;
        let (mut tags, mut tag_weights) = (vec![0u32; cells], vec![0f32; cells]);
        let (mut pos, mut pos_weights) = (vec![0u32; cells], vec![0f32; cells]);
        for (at, row) in rows.iter().enumerate() {
            for (column, tag) in row.tags.iter().enumerate() {
                let cell = at * length + column;
                tags[cell] = *tag;
                tag_weights[cell] = if *tag == 0 { 1.0 } else { ERROR_WEIGHT };
                if let Some(Some(tag)) = row.pos.get(column) {
                    (pos[cell], pos_weights[cell]) = (*tag, 1.0);
                }
            }
        }
        let found = self.network.log_probabilities(&hidden, 1.0)?;
        let mistakes = weighted_nll(&found, tags, tag_weights)?;
        let found = log_softmax(&hidden.matmul(&self.pos_head)?, D::Minus1)?;
        let parts = weighted_nll(&found, pos, pos_weights)?;
        let scale = 1.0 / tokens as f64;
        let loss = ((&mistakes + (parts * POS_WEIGHT)?)? * scale)?;
        Ok((f64::from(mistakes.to_scalar::<f32>()?) * scale, loss.backward()?))
    }
}

/// Sum of weight × −log probability of the target.
fn weighted_nll(found: &Tensor, targets: Vec<u32>, weights: Vec<f32>) -> Result<Tensor> {
    let cells = targets.len();
    let targets = Tensor::from_vec(targets, (cells, 1), &Device::Cpu)?;
    let weights = Tensor::from_vec(weights, (cells, 1), &Device::Cpu)?;
    found.gather(&targets, 1)?.mul(&weights)?.sum_all()?.neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_gets_a_gradient() -> Result<()> {
        let mut rng = Rng::new(1);
        let tags = ["DT".to_owned(), "NN".to_owned()];
        let learner = Learner::new(&tags, &mut rng)?;
        let words = ["The", "cat", "have", "slept"];
        let example = Example {
            words: words.map(str::to_owned).to_vec(),
            tags: vec![0, 0, 1, 0],
            pos: ["DT", "NN", "", ""].map(str::to_owned).to_vec(),
        };
        let row = learner.row(&example, &Vocabulary::default(), &mut rng);
        let (loss, grads) = learner.gradients(&[row], 4, rng)?;
        assert!(loss > 0.0);
        for (name, var) in &learner.vars {
            let size = grads.get(var).map(|g| g.abs()?.sum_all()?.to_scalar::<f32>()).transpose()?;
            assert!(size.is_some_and(|size| size > 0.0), "{name} has no gradient");
        }
        let head = grads.get(&learner.pos_head).map(|g| g.abs()?.sum_all()?.to_scalar::<f32>()).transpose()?;
        assert!(head.is_some_and(|size| size > 0.0));
        Ok(())
    }
}
