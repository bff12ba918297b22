//! Fitting of the judge on planted mistakes in recordings of speakers that the network did not learn from.

use std::collections::HashMap;

use baeum_ml::learning::pronunciation::Heard;
use baeum_ml::learning::pronunciation::goodness::{Evidence, Judge, inputs, tensors};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};

use serde_json::{Value, json};

use crate::corpus::Utterance;
use crate::measure::{Case, Plant, auc, cases, short};
use crate::rng::Rng;

/// How often mistakes are planted anew in the recordings that the judge is fitted on.
const ROUNDS: u64 = 18;

const EPOCHS: usize = 14;
const BATCH: usize = 512;
const RATE: f64 = 4e-3;

/// Cases of recordings into which mistakes were planted many times, one time in three those that are confused.
pub(crate) fn rounds(utterances: &[Utterance], heard: &[Heard], rng: &mut Rng) -> Vec<Case> {
    let plant = |round| if round % 3 == 2 { Plant::Confused } else { Plant::Uniform };
    (0..ROUNDS).flat_map(|round| cases(utterances, heard, plant(round), rng)).flatten().collect()
}

/// What a judge reaches that was fitted to the other half of the recordings, which are in the order of their speakers.
pub(crate) fn crossed(utterances: &[Utterance], heard: &[Heard], rng: &mut Rng) -> crate::Result<Value> {
    let half = utterances.len() / 2;
    let half = half + utterances[half..].iter().take_while(|u| u.speaker == utterances[half - 1].speaker).count();
    let halves = [(&utterances[..half], &heard[..half]), (&utterances[half..], &heard[half..])];
    let mut scores = [Vec::new(), Vec::new()];
    for (at, (utterances, heard)) in halves.iter().enumerate() {
        let (others, of_others) = halves[1 - at];
        let tensors = judge(&rounds(others, of_others, rng), rng)?;
        let judge = Judge::new(&VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
        for (to, plant) in scores.iter_mut().zip([Plant::Uniform, Plant::Confused]) {
            for _ in 0..4 {
                let all: Vec<Case> = cases(utterances, heard, plant, rng).into_iter().flatten().collect();
                let found = judge.probabilities(&all.iter().map(|case| &case.evidence).collect::<Vec<_>>())?;
                to.extend(found.into_iter().zip(&all).map(|(p, case)| (p, case.right)));
            }
        }
    }
    Ok(json!({"uniform_auc": short(auc(&scores[0])), "confused_auc": short(auc(&scores[1]))}))
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
    let mut optimizer = AdamW::new(trained, ParamsAdamW { weight_decay: 0.01, ..ParamsAdamW::default() })?;
    let mut order: Vec<&Case> = cases.iter().collect();
    for epoch in 0..EPOCHS {
        rng.shuffle(&mut order);
        optimizer.set_learning_rate(RATE * (0.5 + 0.5 * (epoch as f64 / EPOCHS as f64 * std::f64::consts::PI).cos()));
        let mut total = 0.0;
        for batch in order.chunks(BATCH) {
            let logits =
                judge.logits(&inputs(&batch.iter().map(|case| &case.evidence).collect::<Vec<&Evidence>>())?)?;
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
