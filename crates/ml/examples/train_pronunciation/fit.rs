//! Fitting of the judge on planted mistakes in recordings of speakers that the network did not learn from.

use std::collections::HashMap;

use baeum_ml::learning::pronunciation::goodness::{Evidence, Judge, inputs, tensors};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};

use crate::measure::Case;
use crate::rng::Rng;

const EPOCHS: usize = 14;
const BATCH: usize = 512;
const RATE: f64 = 4e-3;

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
