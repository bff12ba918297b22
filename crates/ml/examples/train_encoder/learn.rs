//! Training: batches, gradients over two threads, one pass of the optimizer.

use std::collections::HashMap;
use std::sync::Mutex;

use baeum_ml::learning::encoder::network::{Network, Packed, WINDOW};
use baeum_ml::learning::encoder::ops::Dropout;
use baeum_ml::learning::encoder::word_pieces::WordPieces;
use baeum_ml::learning::error_detector::tokenize::Token;
use candle_core::backprop::GradStore;
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::log_softmax;

use crate::corpus::Example;
use crate::optimizer::{Pace, State, Table, Update};
use crate::rng::Rng;

/// Threads that share each batch. Part of what makes a run repeatable: sums are taken in their order.
const SHARDS: usize = 2;
const DROPOUT: f32 = 0.1;
/// Weight of the loss of the categories beside that of the mistakes.
const CATEGORY_WEIGHT: f64 = 0.5;
/// How much slower a layer learns than the one above it.
const LAYER_PACE: f32 = 0.9;
/// How much faster the head learns than the last layer.
const HEAD_PACE: f32 = 5.0;
/// What the average of the weights keeps of itself at each step.
const KEEP: f64 = 0.998;

/// A sentence, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    tokens: Vec<Token>,
    tags: Vec<u32>,
    /// Whether it teaches what is wrong.
    mistakes: bool,
    /// Whether it teaches of what category mistakes are.
    categories: bool,
}

impl Sample {
    pub(crate) fn new(example: &Example, mistakes: bool, categories: bool) -> Self {
        let mut tokens = example.tokens();
        tokens.truncate(WINDOW);
        Self { tags: example.tags[..tokens.len()].to_vec(), tokens, mistakes, categories }
    }
}

/// The network in training.
pub(crate) struct Learner {
    vars: Vec<(String, Var, Mutex<State>, f32)>,
    network: Network,
    table: Table,
    pieces: WordPieces,
    step: i32,
}

impl Learner {
    pub(crate) fn new(mut tensors: HashMap<String, Tensor>, pieces: WordPieces) -> Result<Self> {
        let Some(table) = tensors.remove("pieces") else { candle_core::bail!("there is no table of pieces") };
        let width = table.dim(1)?;
        let mut vars = Vec::new();
        let layers = tensors.keys().filter(|name| name.ends_with("up.bias")).count();
        for (name, tensor) in tensors {
            let layer = name.strip_prefix("layer").and_then(|rest| rest.split('.').next()?.parse::<i32>().ok());
            let pace = match layer {
                Some(layer) => LAYER_PACE.powi(layers as i32 - 1 - layer),
                None if name.starts_with("head") => HEAD_PACE,
                None => LAYER_PACE.powi(layers as i32),
            };
            let state = Mutex::new(State::new(tensor.flatten_all()?.to_vec1()?));
            vars.push((name, Var::from_tensor(&tensor)?, state, pace));
        }
        vars.sort_by(|a, b| a.0.cmp(&b.0));
        let mut named: HashMap<String, Tensor> =
            vars.iter().map(|(name, var, ..)| (name.clone(), var.as_tensor().clone())).collect();
        // Rows of the table are handed to the network batch by batch.
        named.insert("pieces".to_owned(), Tensor::zeros((1, width), candle_core::DType::F32, &Device::Cpu)?);
        let network = Network::new(&named)?;
        Ok(Self { vars, network, table: Table::new(table.flatten_all()?.to_vec1()?, width), pieces, step: 0 })
    }

    /// The averaged weights, by name.
    pub(crate) fn averages(&mut self) -> Result<HashMap<String, Tensor>> {
        let mut all = HashMap::new();
        for (name, var, state, _) in &self.vars {
            let state = state.lock().map_err(|_| candle_core::Error::Msg("a thread panicked".to_owned()))?;
            all.insert(name.clone(), Tensor::from_vec(state.average.clone(), var.dims(), &Device::Cpu)?);
        }
        let table = self.table.averages(Pace::new(0.0, self.step.max(1), KEEP).keep, self.step);
        let rows = table.len() / self.table.width;
        all.insert("pieces".to_owned(), Tensor::from_vec(table, (rows, self.table.width), &Device::Cpu)?);
        Ok(all)
    }

    /// Learns from one batch at a learning rate. Returns the mean loss a token.
    pub(crate) fn step(&mut self, batch: &[Sample], rate: f64, rng: &mut Rng) -> Result<f64> {
        self.step += 1;
        let pace = Pace::new(rate, self.step, KEEP);
        let count = |of: fn(&Sample) -> bool| batch.iter().filter(|s| of(s)).map(|s| s.tokens.len()).sum::<usize>();
        let counts = (count(|s| s.mistakes), count(|s| s.categories));
        let packed = |shard: &[Sample]| {
            let mut packed = Packed::default();
            for sample in shard {
                packed.push(&sample.tokens, &self.pieces);
            }
            packed
        };
        let shards: Vec<&[Sample]> = batch.chunks(batch.len().div_ceil(SHARDS)).collect();
        let packs: Vec<Packed> = shards.iter().map(|shard| packed(shard)).collect();
        let cells: Vec<u32> = packs.iter().flat_map(|pack| pack.pieces.iter().copied()).collect();
        let (rows, local) = Table::distinct(&cells);
        let table = Tensor::from_vec(self.table.gathered(&rows), (rows.len(), self.table.width), &Device::Cpu)?;
        let table = Var::from_tensor(&table)?;
        let mut begun = 0;
        let mut jobs = Vec::new();
        for (shard, pack) in shards.into_iter().zip(packs) {
            let end = begun + pack.cells();
            jobs.push((shard, pack, local[begun..end].to_vec(), rng.next()));
            begun = end;
        }
        let (this, table_ref) = (&*self, &table);
        let parts: Vec<Result<(f64, GradStore)>> = std::thread::scope(|scope| {
            let work = |(shard, pack, local, seed)| {
                scope.spawn(move || this.gradients(shard, &pack, local, table_ref, counts, seed))
            };
            let handles: Vec<_> = jobs.into_iter().map(work).collect();
            handles.into_iter().map(joined).collect()
        });
        let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
        let Some((first, second)) = parts.first().map(|first| (first, parts.get(1))) else { return Ok(0.0) };
        self.update(&first.1, second.map(|second| &second.1), pace)?;
        let both = |var: &Tensor| -> Result<Vec<f32>> {
            let mut sum = vec![0.0; var.elem_count()];
            for (_, grads) in &parts {
                if let Some(grad) = grads.get(var) {
                    for (sum, value) in sum.iter_mut().zip(grad.flatten_all()?.to_vec1::<f32>()?) {
                        *sum += value;
                    }
                }
            }
            Ok(sum)
        };
        let grads = both(&table)?;
        let slow = LAYER_PACE.powi(7);
        self.table.step(&rows, &grads, pace.slower(slow), self.step);
        Ok(parts.iter().map(|(loss, _)| loss).sum())
    }

    /// Moves every variable by the sum of two gradients, over two threads.
    fn update(&self, first: &GradStore, second: Option<&GradStore>, pace: Pace) -> Result<()> {
        let total: usize = self.vars.iter().map(|(_, var, ..)| var.elem_count()).sum();
        let mut seen = 0;
        let half = self.vars.iter().take_while(|(_, var, ..)| {
            seen += var.elem_count();
            seen * 2 <= total
        });
        let (left, right) = self.vars.split_at(half.count());
        let work = |vars: &[(String, Var, Mutex<State>, f32)]| -> Result<()> {
            for (_, var, state, slow) in vars {
                let Some(a) = first.get(var) else { continue };
                let a = a.contiguous()?;
                let b = match second.and_then(|second| second.get(var)) {
                    Some(b) => b.contiguous()?,
                    None => a.zeros_like()?,
                };
                var.inplace_op3(&a, &b, &Update { state, pace: pace.slower(*slow) })?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| work(left));
            let own = work(right);
            joined(other).and(own)
        })
    }

    /// Loss and gradients of a part of a batch: a share of the means over `counts`, the tokens that teach mistakes and
    /// categories.
    fn gradients(
        &self,
        samples: &[Sample],
        packed: &Packed,
        local: Vec<u32>,
        table: &Var,
        counts: (usize, usize),
        seed: u64,
    ) -> Result<(f64, GradStore)> {
        let cells = local.len();
        let embedded = table.index_select(&Tensor::from_vec(local, cells, &Device::Cpu)?, 0)?;
        let dropout = Some(Dropout { seed, rate: DROPOUT });
        let hidden = self.network.hidden(&embedded, packed, dropout)?;
        let logits = self.network.logits(&hidden, packed)?;
        let tags = || samples.iter().flat_map(|s| s.tags.iter().map(move |tag| (s, *tag)));
        let flag = |is: bool| f32::from(u8::from(is));
        let wrong: Vec<f32> = tags().map(|(_, tag)| flag(tag != 0)).collect();
        let counted: Vec<f32> = tags().map(|(s, _)| flag(s.mistakes)).collect();
        let kinds: Vec<u32> = tags().map(|(_, tag)| tag.saturating_sub(1)).collect();
        let named: Vec<f32> = tags().map(|(s, tag)| flag(s.categories && tag != 0)).collect();
        let tokens = wrong.len();
        let column = |values: Vec<f32>| Tensor::from_vec(values, (tokens, 1), &Device::Cpu);
        let logit = logits.narrow(1, 0, 1)?.contiguous()?;
        // −log of the probability of the truth, from the logit, without overflow.
        let plain = ((logit.relu()? - (&logit * column(wrong)?)?)? + (logit.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        let mistakes = (plain.mul(&column(counted)?)?.sum_all()? / counts.0.max(1) as f64)?;
        let kinds = Tensor::from_vec(kinds, (tokens, 1), &Device::Cpu)?;
        let found = log_softmax(&logits.narrow(1, 1, logits.dim(1)? - 1)?.contiguous()?, D::Minus1)?;
        // A mistake in eight tokens: the mean is over all of them, so that batches weigh by their mistakes.
        let categories = found.gather(&kinds, 1)?.mul(&column(named)?)?.sum_all()?.neg()?;
        let categories = (categories * (CATEGORY_WEIGHT / counts.1.max(1) as f64))?;
        let loss = (&mistakes + &categories)?;
        Ok((f64::from(mistakes.to_scalar::<f32>()?), loss.backward()?))
    }
}

fn joined<T>(handle: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|_| candle_core::bail!("a training thread panicked"))
}

#[cfg(test)]
mod tests {
    use baeum_ml::learning::encoder::network::{Size, tensors};

    use super::*;

    fn learner() -> Result<Learner> {
        let mut rng = Rng::new(5);
        let mut all = HashMap::new();
        for (name, dims) in tensors(Size { pieces: 8, width: 32, inner: 48, layers: 2 }) {
            let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.unit() as f32 - 0.5).collect();
            all.insert(name, Tensor::from_vec(values, dims, &Device::Cpu)?);
        }
        Learner::new(all, WordPieces::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nshe\nhave\na\ncat"))
    }

    fn samples() -> Vec<Sample> {
        let sample = |words: &[&str], tags: &[u32], mistakes| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Sample::new(&Example { pos: Vec::new(), words, tags: tags.to_vec() }, mistakes, true)
        };
        vec![sample(&["She", "have", "a", "cat"], &[0, 1, 0, 0], true), sample(&["a", "she"], &[2, 0], false)]
    }

    #[test]
    fn every_variable_gets_a_gradient() -> Result<()> {
        let learner = learner()?;
        let samples = samples();
        let mut packed = Packed::default();
        for sample in &samples {
            packed.push(&sample.tokens, &learner.pieces);
        }
        let (rows, local) = Table::distinct(&packed.pieces);
        let table = Tensor::from_vec(learner.table.gathered(&rows), (rows.len(), 32), &Device::Cpu)?;
        let table = Var::from_tensor(&table)?;
        let (loss, grads) = learner.gradients(&samples, &packed, local, &table, (4, 6), 3)?;
        assert!(loss > 0.0);
        let size = |var: &Tensor| grads.get(var).map(|g| g.abs()?.sum_all()?.to_scalar::<f32>()).transpose();
        for (name, var, ..) in &learner.vars {
            assert!(size(var)?.is_some_and(|size| size > 0.0), "{name} has no gradient");
        }
        assert!(size(&table)?.is_some_and(|size| size > 0.0), "word pieces have no gradient");
        Ok(())
    }

    #[test]
    fn training_lowers_the_loss_and_gives_the_same_bits_again() -> Result<()> {
        let run = || -> Result<(f64, f64, Vec<u32>)> {
            let (mut learner, mut rng) = (learner()?, Rng::new(1));
            let first = learner.step(&samples(), 3e-3, &mut rng)?;
            let mut last = first;
            for _ in 0..60 {
                last = learner.step(&samples(), 3e-3, &mut rng)?;
            }
            let mut bits = Vec::new();
            let averages = learner.averages()?;
            for name in ["pieces", "layer0.joined.weight", "head.bias"] {
                bits.extend(averages[name].flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits));
            }
            Ok((first, last, bits))
        };
        let (one, other) = (run()?, run()?);
        assert!(one.1 < one.0 / 2.0, "from {} to {}", one.0, one.1);
        assert_eq!(one.2, other.2);
        Ok(())
    }
}
