//! Each operation against the same written with plain ones of candle, values and gradients.

use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::{layer_norm_slow, softmax};

use super::attention::{Attention, HEAD};
use super::ops::{Bias, BiasGelu, Dropout, LayerNorm, exp};

/// Values in ±1, the same for one seed.
fn var(seed: u64, dims: &[usize]) -> Result<Var> {
    let draw = |place| Dropout { seed, rate: 0.5 }.factor(place) + Dropout { seed: seed + 1, rate: 0.3 }.factor(place);
    let values: Vec<f32> = (0..dims.iter().product::<usize>() as u64)
        .map(|place| (draw(place) - 1.0) * 0.4 + f32::from(u8::try_from(place * 7 % 11).unwrap_or(0)) * 0.03)
        .collect();
    Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)
}

/// Compares value and gradients of two forms of one function.
fn same(inputs: &[&Var], own: &Tensor, plain: &Tensor) -> Result<()> {
    let distance = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f32>();
    assert!(distance(own, plain)? < 1e-4, "the values differ by {}", distance(own, plain)?);
    let weight = var(99, own.dims())?.as_detached_tensor();
    let (own, plain) = (own.mul(&weight)?.sum_all()?.backward()?, plain.mul(&weight)?.sum_all()?.backward()?);
    for (at, input) in inputs.iter().enumerate() {
        let (Some(a), Some(b)) = (own.get(input), plain.get(input)) else { panic!("input {at} has no gradient") };
        assert!(b.abs()?.max_all()?.to_scalar::<f32>()? > 1e-3, "the gradient of input {at} is nothing");
        assert!(distance(a, b)? < 2e-4, "the gradients of input {at} differ by {}", distance(a, b)?);
    }
    Ok(())
}

#[test]
fn layer_norm_and_its_gradients_are_those_of_the_plain_form() -> Result<()> {
    let (x, weight, bias) = (var(1, &[5, 64])?, var(2, &[64])?, var(3, &[64])?);
    let own = x.apply_op3(&weight, &bias, LayerNorm)?;
    same(&[&x, &weight, &bias], &own, &layer_norm_slow(&x, &weight, &bias, 1e-12)?)
}

#[test]
fn a_bias_and_a_gelu_and_their_gradients_are_those_of_the_plain_form() -> Result<()> {
    let (x, bias) = (var(4, &[6, 48])?, var(5, &[48])?);
    same(&[&x, &bias], &x.apply_op2(&bias, Bias)?, &x.broadcast_add(&bias)?)?;
    same(&[&x, &bias], &x.apply_op2(&bias, BiasGelu)?, &x.broadcast_add(&bias)?.gelu()?)
}

#[test]
fn attention_stays_within_each_sentence_and_has_the_gradient_of_the_plain_form() -> Result<()> {
    let (heads, lengths) = (2, [3, 1, 5]);
    let width = heads * HEAD;
    let joined = var(6, &[9, 3 * width])?;
    let (mut ranges, mut plain, mut start) = (Vec::new(), Vec::new(), 0);
    for length in lengths {
        ranges.push(start..start + length);
        let part = joined.narrow(0, start, length)?;
        let split =
            |at| part.narrow(1, at * width, width)?.reshape((length, heads, HEAD))?.transpose(0, 1)?.contiguous();
        let (q, k, v) = (split(0)?, split(1)?, split(2)?);
        let scores =
            (q.matmul(&k.t()?.contiguous()?)? / f64::from(u32::try_from(HEAD).expect("a small number")).sqrt())?;
        plain.push(softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(0, 1)?.contiguous()?.reshape((length, width))?);
        start += length;
    }
    let own = joined.apply_op1(Attention { ranges: Arc::from(ranges), dropout: None })?;
    same(&[&joined], &own, &Tensor::cat(&plain, 0)?)
}

#[test]
fn dropout_leaves_out_its_share_and_its_gradient_knows_what() -> Result<()> {
    let x = Var::from_tensor(&Tensor::ones(10_000, candle_core::DType::F32, &Device::Cpu)?)?;
    let thinned = x.apply_op1(Dropout { seed: 3, rate: 0.1 })?;
    let grads = thinned.sum_all()?.backward()?;
    let values = thinned.to_vec1::<f32>()?;
    let dropped = values.iter().filter(|value| **value == 0.0).count();
    assert!((900..1100).contains(&dropped), "{dropped}");
    assert_eq!(grads.get(&x).map(Tensor::to_vec1::<f32>).transpose()?, Some(values));
    Ok(())
}

#[test]
fn the_exponential_is_that_of_the_library_to_seven_places() {
    for at in -8_000..8_000i16 {
        let x = f32::from(at) / 100.0;
        let right = libm::exp(f64::from(x));
        assert!((f64::from(exp(x)) / right - 1.0).abs() < 4e-7, "{x}");
    }
    assert!(exp(-1000.0) < 1e-37 && exp(f32::INFINITY) > 1e38);
}
