//! Fitting of the judge on planted mistakes in recordings that the network learned from: it knows them hardly better than
//! others, and they are of eight times as many speakers as there are besides.

use std::collections::HashMap;

use baeum_ml::learning::pronunciation::Heard;
use baeum_ml::learning::pronunciation::goodness::{Evidence, Judge, inputs, tensors};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};

use crate::corpus::Utterance;
use crate::measure::{Case, Plant, cases};
use crate::rng::Rng;

/// How often mistakes are planted anew in the recordings that the judge is fitted on.
const ROUNDS: usize = 12;

const EPOCHS: usize = 8;
const BATCH: usize = 512;
const RATE: f64 = 4e-3;
const DECAY: f64 = 0.1;
/// Standard deviation of what is added to every value that the judge sees: sounds that were left as they were come again
/// in every round, and it would know them by heart (Bishop, 1995).
const NOISE: f64 = 0.1;

/// Cases of recordings into which mistakes were planted many times: in turn as they are and as read at other rates, with
/// any other sound and with those that are confused.
pub(crate) fn rounds(utterances: &[Utterance], versions: &[Vec<Heard>], rng: &mut Rng) -> Vec<Case> {
    let plant = |turn: usize| if turn.is_multiple_of(2) { Plant::Uniform } else { Plant::Confused };
    let mut round = |at: usize| cases(utterances, &versions[at % versions.len()], plant(at / versions.len()), rng);
    (0..ROUNDS).flat_map(&mut round).flatten().collect()
}

/// The tensors of a judge that tells right cases from wrong ones.
pub(crate) fn judge(cases: &[Case], rng: &mut Rng) -> Result<HashMap<String, Tensor>> {
    let mut vars = Vec::new();
    for (name, dims) in tensors() {
        let width = if name.ends_with("bias") { 0.0 } else { 0.3 };
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| ((rng.unit() * 2.0 - 1.0) * width) as f32).collect();
        vars.push((name.to_owned(), Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)?));
    }
    let named = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let judge = Judge::new(&VarBuilder::from_tensors(named, DType::F32, &Device::Cpu))?;
    let trained = vars.iter().map(|(_, var)| var.clone()).collect();
    let mut optimizer = AdamW::new(trained, ParamsAdamW { weight_decay: DECAY, ..ParamsAdamW::default() })?;
    let mut order: Vec<&Case> = cases.iter().collect();
    for epoch in 0..EPOCHS {
        rng.shuffle(&mut order);
        optimizer.set_learning_rate(RATE * (0.5 + 0.5 * (epoch as f64 / EPOCHS as f64 * std::f64::consts::PI).cos()));
        let mut total = 0.0;
        for batch in order.chunks(BATCH) {
            let seen = inputs(&batch.iter().map(|case| &case.evidence).collect::<Vec<&Evidence>>())?;
            let noise: Vec<f32> = (0..seen.elem_count()).map(|_| (normal(rng) * NOISE) as f32).collect();
            let logits = judge.logits(&(&seen + Tensor::from_vec(noise, seen.dims(), &Device::Cpu)?)?)?;
            let signs: Vec<f32> = batch.iter().map(|case| if case.right { -1.0 } else { 1.0 }).collect();
            // ln(1 + exp(±x)), the log loss, in a form that does not overflow: the judge's logits are small.
            let signed = (logits * Tensor::from_vec(signs, (batch.len(), 1), &Device::Cpu)?)?.clamp(-30.0, 30.0)?;
            let loss = (signed.exp()? + 1.0)?.log()?.mean_all()?;
            total += f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64;
            optimizer.backward_step(&loss)?;
        }
        if epoch + 1 == EPOCHS {
            println!("judge: log loss {:.4} on {} sounds", total / cases.len() as f64, cases.len());
        }
    }
    Ok(vars.into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect())
}

/// Nearly normal, of mean 0 and variance 1: a sum of four uniform values.
fn normal(rng: &mut Rng) -> f64 {
    (0..4).map(|_| rng.unit() - 0.5).sum::<f64>() * 3f64.sqrt()
}
