//! Training of the network: augmentation, own dropout, soft targets from the text, gradients over two threads, `AdamW`.

use std::collections::HashMap;

use baeum_ml::learning::pronunciation::Heard;
use baeum_ml::learning::pronunciation::features::{BANDS, FRAME, Frames, HIGHEST, LOWEST, hertz, mel};
use baeum_ml::learning::pronunciation::graph::{CLASSES, Graph};
use baeum_ml::learning::pronunciation::model::{GAP, Network, Start, tensors};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};

use crate::align::{Gaussians, occupancy};
use crate::corpus::Utterance;
use crate::rng::Rng;

/// Parts of each batch, whether one thread computes them or two. Part of what makes a run repeatable: sums are taken
/// in their order.
const SHARDS: usize = 2;
const DROPOUT: f64 = 0.15;
/// Frames of a batch.
const BATCH: usize = 1_200;
/// How much of the moving average of the weights a step leaves: about an epoch goes into it.
const AVERAGED: f64 = 0.998;
/// Epochs before which the network as it then is takes over the alignment and keeps it; before the first of them the
/// Gaussians align. A network that aligns anew in every step learns alignments that fit itself, not what was said.
const ALIGNED: [u32; 3] = [2, 4, 7];

/// A recording of a batch.
struct Row {
    frames: Frames,
    utterance: usize,
}

/// The network in training.
pub(crate) struct Learner {
    vars: Vec<(String, Var)>,
    network: Network,
    optimizer: AdamW,
    gaussians: Gaussians,
    graphs: Vec<Graph>,
    threads: usize,
    /// What aligns: a network of an epoch before, and the shares of the classes then. At first, none.
    aligner: Option<(Network, Vec<f32>)>,
    /// Moving average of the variables, which is what is shipped (Polyak & Juditsky, 1992), and how many steps it has.
    average: Vec<Tensor>,
    steps: u32,
    /// Logarithm of the share of each class, from the epoch before.
    pub(crate) prior: Vec<f32>,
}

impl Learner {
    /// Draws every tensor from the seed.
    pub(crate) fn new(utterances: &[Utterance], gaussians: Gaussians, threads: usize, rng: &mut Rng) -> Result<Self> {
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
        let named = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let network = Network::new(&VarBuilder::from_tensors(named, DType::F32, &Device::Cpu))?;
        let trained = vars.iter().map(|(_, var)| var.clone()).collect();
        let optimizer = AdamW::new(trained, ParamsAdamW { weight_decay: 0.02, beta2: 0.99, ..ParamsAdamW::default() })?;
        let graphs = utterances.iter().map(|utterance| Graph::new(&utterance.words, false)).collect();
        let prior = vec![-(CLASSES as f32).ln(); CLASSES];
        // Detached first: a copy of a variable remembers where it comes from, and every later average with it.
        let average = vars.iter().map(|(_, var)| var.as_detached_tensor().copy()).collect::<Result<_>>()?;
        Ok(Self { vars, network, optimizer, gaussians, graphs, threads, aligner: None, average, steps: 0, prior })
    }

    /// Takes over stored weights, which then align from the beginning.
    pub(crate) fn go_on_from(&mut self, stored: &HashMap<String, Tensor>) -> Result<()> {
        let get =
            |name: &str| stored.get(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.into() });
        for ((name, var), mean) in self.vars.iter().zip(&mut self.average) {
            let tensor = get(name)?.to_dtype(DType::F32)?;
            var.set(&tensor)?;
            *mean = tensor;
        }
        self.prior = get("prior")?.to_vec1::<f32>()?;
        let network = Network::new(&VarBuilder::from_tensors(self.tensors(), DType::F32, &Device::Cpu))?;
        self.aligner = Some((network, self.prior.clone()));
        Ok(())
    }

    /// The tensors to ship, by name.
    pub(crate) fn tensors(&self) -> HashMap<String, Tensor> {
        self.vars.iter().zip(&self.average).map(|((name, _), mean)| (name.clone(), mean.clone())).collect()
    }

    /// One pass over the recordings. Returns the mean loss a frame.
    pub(crate) fn epoch(
        &mut self,
        utterances: &[Utterance],
        epoch: u32,
        rate: impl Fn(f64) -> f64,
        rng: &mut Rng,
    ) -> Result<f64> {
        if ALIGNED.contains(&epoch) {
            let network = Network::new(&VarBuilder::from_tensors(self.tensors(), DType::F32, &Device::Cpu))?;
            self.aligner = Some((network, self.prior.clone()));
        }
        let mut rows: Vec<(usize, usize)> =
            (0..utterances.len()).map(|at| (at, rng.below(utterances[at].frames.len()))).collect();
        rng.shuffle(&mut rows);
        let length = |row: &(usize, usize)| utterances[row.0].frames[row.1].len();
        let mut batches: Vec<Vec<(usize, usize)>> = Vec::new();
        for stretch in rows.chunks_mut(400) {
            stretch.sort_by_key(length);
            let mut open: Vec<(usize, usize)> = Vec::new();
            for row in stretch.iter() {
                if !open.is_empty() && (open.len() + 1) * length(row) > BATCH {
                    batches.push(std::mem::take(&mut open));
                }
                open.push(*row);
            }
            batches.push(open);
        }
        batches.retain(|batch| !batch.is_empty());
        rng.shuffle(&mut batches);
        let mut shares = vec![1.0f64; CLASSES];
        let (mut total, mut frames, count) = (0.0, 0.0, batches.len());
        for (at, batch) in batches.into_iter().enumerate() {
            self.optimizer.set_learning_rate(rate(at as f64 / count as f64));
            let rows: Vec<Row> = batch
                .into_iter()
                .map(|(utterance, version)| Row { frames: utterances[utterance].frames[version].clone(), utterance })
                .collect();
            let size = rows.iter().map(|row| row.frames.len()).sum::<usize>() as f64;
            total += size * self.step(&rows, &mut shares, rng)?;
            frames += size;
        }
        let all: f64 = shares.iter().sum();
        self.prior = shares.iter().map(|share| (share / all).ln() as f32).collect();
        Ok(total / frames)
    }

    fn step(&mut self, batch: &[Row], shares: &mut [f64], rng: &mut Rng) -> Result<f64> {
        let frames: usize = batch.iter().map(|row| row.frames.len()).sum();
        let parts: Vec<(&[Row], Rng)> =
            batch.chunks(batch.len().div_ceil(SHARDS)).map(|rows| (rows, Rng::new(rng.next()))).collect();
        let this = &*self;
        if self.threads < SHARDS {
            let parts = parts.into_iter().map(|(rows, rng)| this.gradients(rows, frames, rng)).collect();
            return self.descend(parts, shares);
        }
        let parts = std::thread::scope(|scope| {
            let work = |(rows, rng)| scope.spawn(move || this.gradients(rows, frames, rng));
            let handles: Vec<_> = parts.into_iter().map(work).collect();
            let join = |h: std::thread::ScopedJoinHandle<'_, _>| {
                h.join().unwrap_or_else(|_| candle_core::bail!("a training thread panicked"))
            };
            handles.into_iter().map(join).collect()
        });
        self.descend(parts, shares)
    }

    /// One step against the gradients of the parts of a batch, added in their order.
    fn descend(&mut self, parts: Vec<Result<(f64, GradStore, Vec<f64>)>>, shares: &mut [f64]) -> Result<f64> {
        let mut parts = parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter();
        let Some((mut loss, mut sum, found)) = parts.next() else { return Ok(0.0) };
        shares.iter_mut().zip(found).for_each(|(to, from)| *to += from);
        for (part, grads, found) in parts {
            loss += part;
            shares.iter_mut().zip(found).for_each(|(to, from)| *to += from);
            for (_, var) in &self.vars {
                if let (Some(a), Some(b)) = (sum.remove(var), grads.get(var)) {
                    sum.insert(var, (a + b)?);
                }
            }
        }
        self.optimizer.step(&sum)?;
        let kept = AVERAGED.min(f64::from(1 + self.steps) / f64::from(10 + self.steps));
        self.steps += 1;
        for (mean, (_, var)) in self.average.iter_mut().zip(&self.vars) {
            *mean = ((&*mean * kept)? + (var.as_detached_tensor() * (1.0 - kept))?)?;
        }
        Ok(loss)
    }

    /// Loss (a share of the mean over `frames`), gradients, and how much each class took, of some rows of a batch.
    fn gradients(&self, rows: &[Row], frames: usize, mut rng: Rng) -> Result<(f64, GradStore, Vec<f64>)> {
        let starts: Vec<usize> = rows
            .iter()
            .scan(0, |at, row| {
                let start = *at;
                *at += row.frames.len() + GAP;
                Some(start)
            })
            .collect();
        let cells = rows.iter().map(|row| row.frames.len() + GAP).sum::<usize>();
        let (mut values, mut mask) = (vec![0f32; cells * FRAME], vec![0f32; cells]);
        for (row, from) in rows.iter().zip(&starts) {
            values[from * FRAME..][..row.frames.values.len()].copy_from_slice(&row.frames.values);
            augment(&mut values[from * FRAME..][..row.frames.values.len()], &mut rng);
            mask[*from..from + row.frames.len()].fill(1.0);
        }
        let values = Tensor::from_vec(values, (cells, FRAME), &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, (cells, 1), &Device::Cpu)?;
        let mut dropout = |x: Tensor| {
            let scale = (1.0 / (1.0 - DROPOUT)) as f32;
            let mask: Vec<f32> = (0..x.elem_count()).map(|_| if rng.chance(DROPOUT) { 0.0 } else { scale }).collect();
            x.mul(&Tensor::from_vec(mask, x.dims(), &Device::Cpu)?)
        };
        let found = self.network.log_probabilities(&values, Some(&mask), &mut dropout)?;
        let mut targets = vec![0f32; cells * CLASSES];
        let mut shares = vec![0f64; CLASSES];
        for (row, from) in rows.iter().zip(&starts) {
            let scores = match &self.aligner {
                None => self.gaussians.scores(&row.frames),
                Some((network, prior)) => Heard::new(network.run(&row.frames.values)?, prior, 1.0).scores,
            };
            let Some(occupied) = occupancy(&self.graphs[row.utterance], &scores) else { continue };
            for row in occupied.chunks_exact(CLASSES) {
                shares.iter_mut().zip(row).for_each(|(to, share)| *to += f64::from(*share));
            }
            targets[from * CLASSES..][..occupied.len()].copy_from_slice(&occupied);
        }
        let targets = Tensor::from_vec(targets, (cells, CLASSES), &Device::Cpu)?;
        let loss = (found.mul(&targets)?.sum_all()?.neg()? / frames as f64)?;
        Ok((f64::from(loss.to_scalar::<f32>()?), loss.backward()?, shares))
    }
}

/// How far voices are made smaller or larger, as a share of every frequency.
const WARP: f64 = 0.08;

/// Moves all frequencies up or down, as a shorter or longer vocal tract would (Jaitly & Hinton, 2013): where the value of
/// each band is taken from, as a place between bands.
fn warped(factor: f32) -> [f32; BANDS] {
    let (low, high) = (mel(LOWEST), mel(HIGHEST));
    let step = (high - low) / (BANDS + 1) as f32;
    std::array::from_fn(|band| {
        let from = mel(hertz(low + step * (band + 1) as f32) * factor);
        ((from - low) / step - 1.0).clamp(0.0, (BANDS - 1) as f32)
    })
}

/// Moves the frequencies, blanks a stretch of bands and two of time, and tilts the spectrum a little.
fn augment(values: &mut [f32], rng: &mut Rng) {
    let frames = values.len() / FRAME;
    let places = warped((1.0 + (rng.unit() * 2.0 - 1.0) * WARP) as f32);
    for spectrum in values.chunks_exact_mut(BANDS) {
        let old: [f32; BANDS] = std::array::from_fn(|band| spectrum[band]);
        for (value, place) in spectrum.iter_mut().zip(&places) {
            let (below, part) = (*place as usize, place.fract());
            *value = old[below] * (1.0 - part) + old[(below + 1).min(BANDS - 1)] * part;
        }
    }
    let tilt = (rng.unit() - 0.5) as f32;
    let shift = (rng.unit() - 0.5) as f32 * 0.4;
    let width = rng.below(9);
    let from = rng.below(BANDS - width);
    for row in values.chunks_exact_mut(FRAME) {
        for (at, value) in row.iter_mut().enumerate() {
            let band = at % BANDS;
            *value = if (from..from + width).contains(&band) {
                0.0
            } else {
                *value + shift + tilt * (band as f32 / BANDS as f32 - 0.5)
            };
        }
    }
    for _ in 0..2 {
        let width = rng.below(8).min(frames / 8);
        let from = rng.below(frames - width);
        values[from * FRAME..(from + width) * FRAME].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_gets_a_gradient() -> Result<()> {
        let mut rng = Rng::new(1);
        let values: Vec<f32> = (0..40 * FRAME).map(|_| rng.unit() as f32 - 0.5).collect();
        let frames = Frames { values, loud: vec![true; 40], start_ms: 0 };
        let text = String::new();
        let utterances =
            [Utterance { child: false, text, words: vec![vec![vec![1, 2, 3]]], frames: vec![frames.clone()] }];
        let learner = Learner::new(&utterances, Gaussians::fit(&utterances), 1, &mut rng)?;
        let (loss, grads, _) = learner.gradients(&[Row { frames, utterance: 0 }], 40, rng)?;
        assert!(loss > 0.0);
        for (name, var) in &learner.vars {
            let size = grads.get(var).map(|g| g.abs()?.sum_all()?.to_scalar::<f32>()).transpose()?;
            assert!(size.is_some_and(|size| size > 0.0), "{name} has no gradient");
        }
        Ok(())
    }
}
