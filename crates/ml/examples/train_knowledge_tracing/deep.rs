//! Training the recurrent network: batches, own dropout, gradients by shards, `AdamW`.

use std::collections::HashMap;

use baeum_ml::progress::{
    dkt::{Answer, Batch, Network, Shape, tensors},
    measure::auc,
};
use candle_core::{DType, Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW, VarBuilder};

use crate::rng::Rng;

/// Into how many parts a batch is divided, whatever the number of threads: gradients are summed in their order.
const SHARDS: usize = 4;
/// Answers after which a sequence is cut and begun anew.
pub const LONGEST: usize = 200;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Width of the state.
    pub hidden: usize,
    /// Passes over the data at most.
    pub epochs: usize,
    /// Passes without a better validation before it ends.
    pub patience: usize,
    /// Sequences a batch.
    pub batch: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Share of the state that is dropped before the output.
    pub dropout: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; they change nothing but the time.
    pub threads: usize,
}

/// The network in training.
pub struct Learner {
    plan: Plan,
    vars: Vec<(&'static str, Var)>,
    network: Network,
    optimizer: AdamW,
}

impl Learner {
    /// Draws every tensor from the seed.
    pub fn new(skills: usize, plan: Plan) -> Result<Self> {
        let shape = Shape { skills, hidden: plan.hidden };
        let mut rng = Rng::new(plan.seed);
        let mut vars = vec![];
        for (name, dims, width) in tensors(shape) {
            let draw = |_| ((rng.unit() * 2.0 - 1.0) * width) as f32;
            let values: Vec<f32> = (0..dims.iter().product()).map(draw).collect();
            vars.push((name, Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)?));
        }
        let named = vars.iter().map(|(name, var)| ((*name).to_owned(), var.as_tensor().clone())).collect();
        let network = Network::new(shape, &VarBuilder::from_tensors(named, DType::F32, &Device::Cpu))?;
        let all = vars.iter().map(|(_, var)| var.clone()).collect();
        let optimizer = AdamW::new(all, ParamsAdamW { lr: plan.rate, weight_decay: 1e-4, ..ParamsAdamW::default() })?;
        Ok(Self { plan, vars, network, optimizer })
    }

    /// A copy of its tensors.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        self.vars.iter().map(|(name, var)| Ok(((*name).to_owned(), var.as_tensor().copy()?.detach()))).collect()
    }

    /// Trains until the AUC of the validation gets no better, and goes back to where it was best. Returns that.
    pub fn train(
        &mut self,
        train: &[&[Answer]],
        validation: &[&[Answer]],
        mut tell: impl FnMut(usize, f64, f64),
    ) -> Result<f64> {
        let mut rng = Rng::new(self.plan.seed ^ 0x6261_7463_6865_7321);
        let mut best = (0.0, 0, self.tensors()?);
        for epoch in 0..self.plan.epochs {
            // Half a cosine down to a twentieth.
            let gone = epoch as f64 / self.plan.epochs as f64;
            self.optimizer
                .set_learning_rate(self.plan.rate * (0.05 + 0.95 * 0.5 * (1.0 + (std::f64::consts::PI * gone).cos())));
            let loss = self.epoch(train, &mut rng)?;
            let reached = auc(&self.foretell(validation)?).unwrap_or(0.5);
            tell(epoch, loss, reached);
            if reached > best.0 {
                best = (reached, epoch, self.tensors()?);
            } else if epoch >= best.1 + self.plan.patience {
                break;
            }
        }
        for (name, var) in &self.vars {
            var.set(&best.2[*name])?;
        }
        Ok(best.0)
    }

    /// One pass. Returns the mean loss an answer.
    pub fn epoch(&mut self, sequences: &[&[Answer]], rng: &mut Rng) -> Result<f64> {
        let mut mixed: Vec<&[Answer]> = sequences.to_vec();
        rng.shuffle(&mut mixed);
        // Sorted in stretches, so that a batch pads little and batches still differ from epoch to epoch.
        for stretch in mixed.chunks_mut(16 * self.plan.batch) {
            stretch.sort_by_key(|answers| answers.len());
        }
        let mut batches: Vec<_> = mixed.chunks(self.plan.batch).collect();
        rng.shuffle(&mut batches);
        let (mut loss, mut answers) = (0.0, 0);
        for batch in batches {
            let (lost, of) = self.step(batch, rng)?;
            (loss, answers) = (loss + lost, answers + of);
        }
        Ok(loss / answers.max(1) as f64)
    }

    fn step(&mut self, batch: &[&[Answer]], rng: &mut Rng) -> Result<(f64, usize)> {
        let answers: usize = batch.iter().map(|it| it.len().saturating_sub(1)).sum();
        let shards: Vec<_> =
            batch.chunks(batch.len().div_ceil(SHARDS)).map(|rows| (rows, Rng::new(rng.next()))).collect();
        let this = &*self;
        let work = |(rows, rng): &(&[&[Answer]], Rng)| this.gradients(rows, answers, rng.clone());
        let parts = in_threads(&shards, self.plan.threads, work)?;
        let mut loss = 0.0;
        let mut sum: Option<GradStore> = None;
        for (lost, grads) in parts.into_iter().flatten() {
            loss += lost;
            let Some(sum) = &mut sum else {
                sum = Some(grads);
                continue;
            };
            for (_, var) in &self.vars {
                if let (Some(before), Some(more)) = (sum.remove(var), grads.get(var)) {
                    sum.insert(var, (before + more)?);
                }
            }
        }
        if let Some(grads) = sum {
            self.optimizer.step(&grads)?;
        }
        Ok((loss, answers))
    }

    /// Loss and gradients of some rows of a batch, as a share of the mean over `answers`.
    fn gradients(&self, rows: &[&[Answer]], answers: usize, mut rng: Rng) -> Result<Option<(f64, GradStore)>> {
        let Some(batch) = Batch::new(rows)? else { return Ok(None) };
        let dropped = self.plan.dropout;
        let mut dropout = |x: Tensor| {
            if dropped <= 0.0 {
                return Ok(x);
            }
            let scale = (1.0 / (1.0 - dropped)) as f32;
            let mask: Vec<f32> = (0..x.elem_count()).map(|_| if rng.chance(dropped) { 0.0 } else { scale }).collect();
            x.mul(&Tensor::from_vec(mask, x.dims(), &Device::Cpu)?)
        };
        let loss = self.network.loss(&batch, &mut dropout)?;
        let lost = f64::from(loss.to_scalar::<f32>()?);
        Ok(Some((lost, (loss / answers.max(1) as f64)?.backward()?)))
    }

    /// Probability and outcome of all answers but the first of each sequence, in an order of its own.
    pub fn foretell(&self, sequences: &[&[Answer]]) -> Result<Vec<(f64, bool)>> {
        let mut sorted: Vec<_> = sequences.to_vec();
        sorted.sort_by_key(|answers| answers.len());
        let batches: Vec<_> = sorted.chunks(self.plan.batch).collect();
        let one = |batch: &&[&[Answer]]| match Batch::new(batch)? {
            Some(batch) => self.network.foretell(&batch),
            None => Ok(vec![]),
        };
        Ok(in_threads(&batches, self.plan.threads, one)?.into_iter().flatten().collect())
    }
}

/// What `work` makes of each, in their order, on so many threads.
fn in_threads<T: Sync, R: Send>(of: &[T], threads: usize, work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if threads < 2 {
        return of.iter().map(work).collect();
    }
    let parts: Vec<Result<Vec<R>>> = std::thread::scope(|scope| {
        let handles: Vec<_> = of
            .chunks(of.len().div_ceil(threads).max(1))
            .map(|some| {
                let work = &work;
                scope.spawn(move || some.iter().map(work).collect::<Result<Vec<R>>>())
            })
            .collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|_| candle_core::bail!("a training thread panicked"))
        };
        handles.into_iter().map(join).collect()
    });
    let mut all = vec![];
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan =
        Plan { hidden: 8, epochs: 3, patience: 9, batch: 8, rate: 0.01, dropout: 0.2, seed: 3, threads: 1 };

    /// Learners of two skills: who was right in a skill is right in it again.
    fn sequences() -> Vec<Vec<Answer>> {
        let mut rng = Rng::new(5);
        let mut one = || {
            let knows = [rng.chance(0.5), rng.chance(0.5)];
            let length = 2 + rng.below(12);
            let answer = |_| {
                let skill = rng.below(2);
                Answer { skill: skill as u32, right: knows[skill] }
            };
            (0..length).map(answer).collect()
        };
        (0..40).map(|_| one()).collect()
    }

    fn bits(threads: usize) -> Vec<u32> {
        let all = sequences();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let mut learner = Learner::new(2, Plan { threads, ..PLAN }).expect("a learner");
        learner.train(&all[..30], &all[30..], |_, _, _| ()).expect("it trains");
        let tensors = learner.tensors().expect("tensors");
        let mut bits = vec![];
        for (name, _) in &learner.vars {
            let values = tensors[*name].flatten_all().and_then(|it| it.to_vec1::<f32>()).expect("numbers");
            bits.extend(values.into_iter().map(f32::to_bits));
        }
        bits
    }

    #[test]
    fn every_variable_gets_a_gradient() {
        let all = sequences();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let learner = Learner::new(2, PLAN).expect("a learner");
        let (loss, grads) = learner.gradients(&all, 40, Rng::new(1)).expect("it computes").expect("answers");
        assert!(loss > 0.0);
        for (name, var) in &learner.vars {
            let size = grads.get(var).and_then(|it| it.abs().ok()?.sum_all().ok()?.to_scalar::<f32>().ok());
            assert!(size.is_some_and(|size| size > 0.0), "{name} has no gradient");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let all = sequences();
        let all: Vec<_> = all[..4].iter().map(Vec::as_slice).collect();
        let learner = Learner::new(2, Plan { dropout: 0.0, ..PLAN }).expect("a learner");
        let (_, grads) = learner.gradients(&all, 1, Rng::new(1)).expect("it computes").expect("answers");
        let loss = || learner.gradients(&all, 1, Rng::new(1)).expect("it computes").expect("answers").0;
        for (name, var) in &learner.vars {
            let (start, dims) = (var.flatten_all().and_then(|it| it.to_vec1::<f32>()).expect("numbers"), var.dims());
            let found = grads.get(var).and_then(|it| it.flatten_all().ok()?.to_vec1::<f32>().ok()).expect("gradients");
            // Where it is steepest: rounding hides the rest.
            let at = (0..found.len()).max_by(|a, b| found[*a].abs().total_cmp(&found[*b].abs())).expect("one");
            let lost = |by: f32| {
                let mut moved = start.clone();
                moved[at] += by;
                var.set(&Tensor::from_vec(moved, dims, &Device::Cpu).expect("a tensor")).expect("set");
                loss()
            };
            let slope = (lost(0.02) - lost(-0.02)) / 0.04;
            lost(0.0);
            assert!(
                (slope - f64::from(found[at])).abs() < 0.03 * slope.abs() + 0.01,
                "{name}: {slope} for {}",
                found[at]
            );
        }
    }

    #[test]
    fn training_gives_the_same_bits_again_and_with_any_number_of_threads() {
        let once = bits(1);
        assert!(once == bits(1) && once == bits(2) && once == bits(3));
    }

    #[test]
    fn what_can_be_learned_is_learned() {
        let all = sequences();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let mut learner = Learner::new(2, Plan { epochs: 60, patience: 60, ..PLAN }).expect("a learner");
        let reached = learner.train(&all[..30], &all[30..], |_, _, _| ()).expect("it trains");
        assert!(reached > 0.75, "{reached}");
    }
}
