//! Training: rounds of batches, gradients over two threads, Adam, and the average of the weights on the way.
//!
//! The learning rate depends on the steps made and not on those to come, and what is shipped is the average of the late
//! weights: a run that is stopped after some round is the run that had that many.

use std::collections::HashMap;
use std::path::Path;

use baeum_ml::learning::error_detector::features::{Vocabulary, normal_form, token_features};
use baeum_ml::learning::error_detector::model::{HIDDEN, Start, tensors};
use candle_core::{Device, Result, Tensor};

use crate::corpus::{Example, anyhow_lite};
use crate::counts::{Counts, word_keys};
use crate::engine::{Gradients, POS_HEAD, Row, TABLES, gradients};
use crate::rng::Rng;
use crate::start;

/// Threads that share each batch. Part of what makes a run repeatable: sums are taken in their order.
const SHARDS: usize = 2;
/// Padded tokens of a batch, at most.
const BATCH: usize = 1024;
/// Of what is kept of the running means of gradients and of their squares.
const MOMENTS: [f32; 2] = [0.9, 0.99];
const WEIGHT_DECAY: f32 = 0.01;
/// Steps in which the learning rate rises, and from which on it falls with their root.
const RISE: f64 = 300.0;
const FULL: f64 = 1_200.0;
/// Every so many steps the average takes in the weights. It leans on the last fifth of those taken in so far.
const AVERAGED: i32 = 8;
const LEANING: f32 = 4.0;

/// The network in training.
pub(crate) struct Learner {
    weights: Vec<Vec<f32>>,
    means: Vec<Vec<f32>>,
    squares: Vec<Vec<f32>>,
    average: Vec<Vec<f32>>,
    steps: i32,
    rate: f64,
    pos_tags: HashMap<String, u32>,
}

impl Learner {
    /// Draws every tensor from the generator. `rate` is the highest learning rate.
    pub(crate) fn new(pos_tags: &[String], rate: f64, rng: &mut Rng) -> Self {
        let mut draw = |length: usize, start: Start| -> Vec<f32> {
            let mut value = || match start {
                Start::Ones => 1.0,
                Start::Zeros => 0.0,
                Start::Uniform(width) => ((rng.unit() * 2.0 - 1.0) * width) as f32,
            };
            (0..length).map(|_| value()).collect()
        };
        let shipped = tensors().into_iter().map(|(_, dims, start)| (dims.iter().product(), start));
        let weights: Vec<Vec<f32>> = shipped
            .chain([(HIDDEN * pos_tags.len(), Start::Uniform(0.15))])
            .map(|(length, start)| draw(length, start))
            .collect();
        let empty: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
        let pos_tags = pos_tags.iter().cloned().zip(0..).collect();
        let average = weights.clone();
        Self { weights, means: empty.clone(), squares: empty, average, steps: 0, rate, pos_tags }
    }

    /// Begins with the weights of an earlier training; see [`start::begin`].
    pub(crate) fn begin_with(&mut self, path: &Path, vocabulary: &str) -> anyhow_lite::Result<Vec<String>> {
        let taken = start::begin(&mut self.weights, path, vocabulary)?;
        self.average.clone_from(&self.weights);
        Ok(taken)
    }

    /// The tensors to ship, by name: the average.
    pub(crate) fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        let named = tensors().into_iter().zip(&self.average);
        named.map(|((name, dims, _), w)| Ok((name, Tensor::from_slice(w, dims, &Device::Cpu)?))).collect()
    }

    /// An example as rows and targets. `source` holds the words of the counted sentence that it was made of.
    pub(crate) fn row(
        &self,
        example: &Example,
        source: &[u64],
        (vocabulary, counts): (&Vocabulary, &Counts),
        rng: &mut Rng,
    ) -> Row {
        let first = example.words.iter().position(|w| w.chars().any(char::is_alphabetic));
        let evidence = counts.rows(&word_keys(example.words.iter().map(String::as_str)), source);
        let features = example.words.iter().zip(evidence).enumerate().map(|(at, (word, evidence))| {
            // Rare words are hidden now and then, so that unknown words are nothing new.
            let form = normal_form(word);
            let known = !rng.chance(if vocabulary.count(&form) < 30 { 0.2 } else { 0.01 });
            token_features((word, &form), Some(at) == first, vocabulary, known, evidence)
        });
        Row {
            features: features.collect(),
            tags: example.tags.clone(),
            pos: example.pos.iter().map(|tag| self.pos_tags.get(tag).copied()).collect(),
        }
    }

    /// One pass over the rows. Returns the mean loss a token.
    pub(crate) fn round(&mut self, mut rows: Vec<Row>, rng: &mut Rng) -> Result<f64> {
        // Sorted in stretches, so that a batch pads little and batches still differ from round to round.
        let mut batches: Vec<Vec<Row>> = Vec::new();
        rng.shuffle(&mut rows);
        for stretch in rows.chunks_mut(3000) {
            stretch.sort_by_key(|row| row.features.len());
            let mut open: Vec<Row> = Vec::new();
            for row in stretch.iter() {
                if (open.len() + 1) * row.features.len() > BATCH {
                    batches.push(std::mem::take(&mut open));
                }
                open.push(row.clone());
            }
            batches.push(open);
        }
        batches.retain(|batch| !batch.is_empty());
        rng.shuffle(&mut batches);
        let mut parts: Vec<Gradients> = (0..SHARDS).map(|_| Gradients::new(&self.weights)).collect();
        let (mut total, count) = (0.0, batches.len());
        for batch in &batches {
            total += self.gradients(batch, &mut parts, rng)?;
            self.step(&parts[0]);
            parts.iter_mut().for_each(Gradients::clear);
        }
        Ok(total / count as f64)
    }

    /// Loss of a batch; its gradients are those of the first part.
    fn gradients(&self, batch: &[Row], parts: &mut [Gradients], rng: &mut Rng) -> Result<f64> {
        let tokens: usize = batch.iter().map(|row| row.features.len()).sum();
        let shards: Vec<(&[Row], Rng)> =
            batch.chunks(batch.len().div_ceil(SHARDS)).map(|rows| (rows, Rng::new(rng.next()))).collect();
        let weights = &self.weights;
        let losses: Vec<Result<f64>> = std::thread::scope(|scope| {
            let work = |((rows, rng), part)| scope.spawn(move || gradients(weights, rows, tokens, Some(rng), part));
            let handles: Vec<_> = shards.into_iter().zip(parts.iter_mut()).map(work).collect();
            let join = |h: std::thread::ScopedJoinHandle<'_, _>| {
                h.join().unwrap_or_else(|_| candle_core::bail!("a training thread panicked"))
            };
            handles.into_iter().map(join).collect()
        });
        if let Some((first, rest)) = parts.split_first_mut() {
            for part in rest {
                first.add(part);
            }
        }
        losses.into_iter().sum()
    }

    /// Adam; with decay of the weights that are no table. Of a table only rows with a gradient move.
    fn step(&mut self, gradients: &Gradients) {
        self.steps += 1;
        let done = f64::from(self.steps);
        let rate = (self.rate * (done / RISE).min(1.0) * (FULL / done.max(FULL)).sqrt()) as f32;
        let [first, second] = MOMENTS;
        let corrected = rate * (1.0 - second.powi(self.steps)).sqrt() / (1.0 - first.powi(self.steps));
        for at in 0..=POS_HEAD {
            let decay = if at < TABLES { 1.0 } else { 1.0 - rate * WEIGHT_DECAY };
            let update = |start: usize, length: usize, this: &mut Self| {
                let range = start..start + length;
                let own = this.weights[at][range.clone()].iter_mut().zip(&gradients.values[at][range.clone()]);
                let moments = this.means[at][range.clone()].iter_mut().zip(&mut this.squares[at][range]);
                for ((weight, gradient), (mean, square)) in own.zip(moments) {
                    *mean = first * *mean + (1.0 - first) * gradient;
                    *square = second * *square + (1.0 - second) * gradient * gradient;
                    *weight = *weight * decay - corrected * *mean / (square.sqrt() + 1e-8);
                }
            };
            if let Some(rows) = gradients.touched.get(at) {
                let width = gradients.width(at);
                for row in rows {
                    update(*row as usize * width, width, self);
                }
            } else {
                update(0, self.weights[at].len(), self);
            }
        }
        if self.steps % AVERAGED == 0 {
            let share = (LEANING + 1.0) / ((self.steps / AVERAGED) as f32 + LEANING);
            for (average, weights) in self.average.iter_mut().zip(&self.weights) {
                average.iter_mut().zip(weights).for_each(|(average, weight)| *average += share * (weight - *average));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use baeum_ml::learning::error_detector::model::{Batch, Network};
    use candle_core::{D, DType, Var};
    use candle_nn::VarBuilder;
    use candle_nn::ops::log_softmax;

    use super::*;

    fn rows(learner: &Learner, rng: &mut Rng) -> Vec<Row> {
        let counts = Counts::of(std::iter::empty());
        let example = |words: &[&str], tags: &[u32]| Example {
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            tags: tags.to_vec(),
            pos: words.iter().zip(["DT", "NN", "", ""]).map(|(_, tag)| tag.to_owned()).collect(),
        };
        let examples = [example(&["The", "cat", "have", "slept"], &[0, 0, 1, 0]), example(&["The", "dogs"], &[0, 5])];
        examples.iter().map(|e| learner.row(e, &[], (&Vocabulary::default(), &counts), rng)).collect()
    }

    /// Loss and gradients of the network that is shipped, by candle's graph.
    fn by_candle(learner: &Learner, rows: &[Row]) -> Result<(f64, Vec<Vec<f32>>)> {
        let named = tensors().into_iter().zip(&learner.weights);
        let vars = named
            .map(|((name, dims, _), w)| Ok((name, Var::from_tensor(&Tensor::from_slice(w, dims, &Device::Cpu)?)?)))
            .collect::<Result<Vec<_>>>()?;
        let head = &learner.weights[POS_HEAD];
        let head = Var::from_tensor(&Tensor::from_slice(head, (HIDDEN, head.len() / HIDDEN), &Device::Cpu)?)?;
        let by_name = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let network = Network::new(&VarBuilder::from_tensors(by_name, DType::F32, &Device::Cpu))?;
        let length = rows.iter().map(|row| row.features.len()).max().unwrap_or(1);
        let sentences: Vec<_> = rows.iter().map(|row| row.features.clone()).collect();
        let hidden = network.hidden(&Batch::new(&sentences, length)?, &mut Ok)?;
        let nll = |found: Tensor, wanted: &dyn Fn(&Row, usize) -> Option<u32>| -> Result<Tensor> {
            let cells = rows.iter().flat_map(|row| (0..length).map(move |at| wanted(row, at)));
            let (targets, weights): (Vec<u32>, Vec<f32>) =
                cells.map(|target| (target.unwrap_or(0), f32::from(u8::from(target.is_some())))).unzip();
            let count = targets.len();
            let weights = Tensor::from_vec(weights, (count, 1), &Device::Cpu)?;
            found.gather(&Tensor::from_vec(targets, (count, 1), &Device::Cpu)?, 1)?.mul(&weights)?.sum_all()?.neg()
        };
        let mistakes = nll(network.log_probabilities(&hidden, 1.0)?, &|row, at| row.tags.get(at).copied())?;
        let parts = log_softmax(&hidden.matmul(head.as_tensor())?, D::Minus1)?;
        let parts = nll(parts, &|row, at| row.pos.get(at).copied().flatten())?;
        let scale = 1.0 / rows.iter().map(|row| row.features.len()).sum::<usize>() as f64;
        let grads = ((&mistakes + (parts * 0.3)?)? * scale)?.backward()?;
        let all = vars.iter().map(|(_, var)| var).chain([&head]);
        let all = all.map(|var| match grads.get(var) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => Ok(vec![0.0; var.elem_count()]),
        });
        Ok((f64::from(mistakes.to_scalar::<f32>()?) * scale, all.collect::<Result<_>>()?))
    }

    #[test]
    fn loss_and_every_gradient_are_those_of_the_shipped_network() -> Result<()> {
        let mut rng = Rng::new(1);
        let learner = Learner::new(&["DT".to_owned(), "NN".to_owned()], 0.1, &mut rng);
        let rows = rows(&learner, &mut rng);
        let (expected, graph) = by_candle(&learner, &rows)?;
        let mut found = Gradients::new(&learner.weights);
        let loss = gradients(&learner.weights, &rows, 6, None, &mut found)?;
        assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
        for (at, (ours, theirs)) in found.values.iter().zip(&graph).enumerate() {
            let size: f32 = theirs.iter().map(|g| g.abs()).sum();
            let off: f32 = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).sum();
            assert!(size > 0.0, "tensor {at} has no gradient");
            assert!(off < size * 1e-3, "tensor {at} is off by {off} of {size}");
        }
        found.clear();
        assert!(found.values.iter().flatten().all(|value| *value == 0.0));
        Ok(())
    }

    #[test]
    fn two_runs_are_equal_to_the_bit_and_the_loss_falls() -> Result<()> {
        let run = || -> Result<(Vec<f64>, Vec<Vec<f32>>)> {
            let mut rng = Rng::new(3);
            let mut learner = Learner::new(&["DT".to_owned(), "NN".to_owned()], 0.1, &mut rng);
            let mut losses = Vec::new();
            for _ in 0..24 {
                let rows = rows(&learner, &mut rng);
                losses.push(learner.round(rows, &mut rng)?);
            }
            Ok((losses, learner.average))
        };
        let (first, again) = (run()?, run()?);
        assert!(first.0.iter().zip(&again.0).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(first.1 == again.1);
        assert!(first.0[23] < first.0[0] * 0.5, "{:?}", first.0);
        Ok(())
    }
}
