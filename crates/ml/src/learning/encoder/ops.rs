//! What stands between the products of the encoder, each as one pass over memory with its own gradient.
//!
//! The fused layer norm and softmax of candle have no backward pass, and their plain forms read memory ten times. All
//! sums are taken in one order and exponentials are computed here, so that a row has the same bits on every thread.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

const EPSILON: f32 = 1e-12;
/// √(8/π) and the cubic term of the hyperbolic form of GELU (Hendrycks & Gimpel, 2016).
const GELU: (f32, f32) = (1.595_769, 0.044_715);

/// The values of a contiguous f32 tensor.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a tensor is not contiguous"),
    }
}

/// A copy of the values of a tensor.
pub(super) fn copied(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn stored(values: Vec<f32>, layout: &Layout) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), layout.shape().clone())
}

fn like(values: Vec<f32>, tensor: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, tensor.shape(), tensor.device())
}

/// eˣ to a relative error of 2e-7 for −87 to 88, held to the ends beyond: 2ⁿ times the Taylor polynomial of the rest.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves the whole part in the low bits
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let mut sum = 1.0 / 5040.0;
    for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + term;
    }
    f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000)) * sum
}

/// Sum of the products, in sixteen lanes.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a.zip(b) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// `to += scale · from`.
#[inline]
pub(super) fn add_scaled(to: &mut [f32], scale: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += scale * from;
    }
}

#[inline]
fn gelu(x: f32) -> f32 {
    x / (1.0 + exp(-GELU.0 * (x + GELU.1 * x * x * x)))
}

#[inline]
fn gelu_slope(x: f32) -> f32 {
    let gate = 1.0 / (1.0 + exp(-GELU.0 * (x + GELU.1 * x * x * x)));
    gate + x * gate * (1.0 - gate) * GELU.0 * (1.0 + 3.0 * GELU.1 * x * x)
}

/// Adds a row to every row of a matrix.
#[derive(Debug)]
pub(super) struct Bias;

/// Adds a row to every row of a matrix, then GELU.
#[derive(Debug)]
pub(super) struct BiasGelu;

fn rowwise(s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout, of: fn(f32) -> f32) -> Result<Vec<f32>> {
    let (x, bias) = (values(s1, l1)?, values(s2, l2)?);
    let mut out = x.to_vec();
    for row in out.chunks_exact_mut(bias.len()) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value = of(*value + bias);
        }
    }
    Ok(out)
}

fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        add_scaled(&mut sums, 1.0, row);
    }
    sums
}

impl CustomOp2 for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(stored(rowwise(s1, l1, s2, l2, |x| x)?, l1))
    }

    fn bwd(&self, _: &Tensor, bias: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let sums = like(column_sums(&copied(grad)?, bias.elem_count()), bias)?;
        Ok((Some(grad.clone()), Some(sums)))
    }
}

impl CustomOp2 for BiasGelu {
    fn name(&self) -> &'static str {
        "bias-gelu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(stored(rowwise(s1, l1, s2, l2, gelu)?, l1))
    }

    fn bwd(&self, x: &Tensor, bias: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (mut out, grads, row) = (copied(x)?, copied(grad)?, copied(bias)?);
        for (out, grads) in out.chunks_exact_mut(row.len()).zip(grads.chunks_exact(row.len())) {
            for ((value, grad), bias) in out.iter_mut().zip(grads).zip(&row) {
                *value = grad * gelu_slope(*value + bias);
            }
        }
        let sums = like(column_sums(&out, row.len()), bias)?;
        Ok((Some(like(out, x)?), Some(sums)))
    }
}

/// Layer norm over the last dimension, with weight and bias.
#[derive(Debug)]
pub(super) struct LayerNorm;

/// A row to mean 0 and variance 1; returns what it was multiplied by.
#[inline]
fn normalise(row: &mut [f32], ones: &[f32], width: f32) -> f32 {
    let mean = dot(row, ones) / width;
    for value in row.iter_mut() {
        *value -= mean;
    }
    let scale = 1.0 / (dot(row, row) / width + EPSILON).sqrt();
    for value in row.iter_mut() {
        *value *= scale;
    }
    scale
}

#[allow(clippy::cast_precision_loss, reason = "a width is a few hundred")]
fn float(width: usize) -> f32 {
    width as f32
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (values(s2, l2)?, values(s3, l3)?);
        let (mut out, ones) = (values(s1, l1)?.to_vec(), vec![1.0; weight.len()]);
        for row in out.chunks_exact_mut(weight.len()) {
            normalise(row, &ones, float(weight.len()));
            for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *value = *value * weight + bias;
            }
        }
        Ok(stored(out, l1))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (mut out, grads, weights) = (copied(x)?, copied(grad)?, copied(weight)?);
        let width = weights.len();
        let (ones, size) = (vec![1.0; width], float(width));
        let (mut weight_grad, mut bias_grad, mut inner) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
        for (row, grads) in out.chunks_exact_mut(width).zip(grads.chunks_exact(width)) {
            let scale = normalise(row, &ones, size);
            add_scaled(&mut bias_grad, 1.0, grads);
            for (((sum, inner), value), (grad, weight)) in
                weight_grad.iter_mut().zip(&mut inner).zip(row.iter()).zip(grads.iter().zip(&weights))
            {
                *sum += grad * value;
                *inner = grad * weight;
            }
            let (mean, along) = (dot(&inner, &ones) / size, dot(&inner, row) / size);
            for (value, inner) in row.iter_mut().zip(&inner) {
                *value = scale * (inner - mean - *value * along);
            }
        }
        Ok((Some(like(out, x)?), Some(like(weight_grad, weight)?), Some(like(bias_grad, bias)?)))
    }
}

/// Leaves values out by chance while training: each draw is a function of the seed and the place.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Seed of the draws.
    pub seed: u64,
    /// Share that is left out, 0 to 1.
    pub rate: f32,
}

impl Dropout {
    /// What the value at a place is multiplied by.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "24 bits fit an f32")]
    pub(super) fn factor(self, place: u64) -> f32 {
        let z = (place ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let unit = (z >> 40) as u32 as f32 / 16_777_216.0;
        if unit < self.rate { 0.0 } else { 1.0 / (1.0 - self.rate) }
    }

    fn applied(self, x: &[f32]) -> Vec<f32> {
        x.iter().zip(0u64..).map(|(value, place)| value * self.factor(place)).collect()
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(stored(self.applied(values(storage, layout)?), layout))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(like(self.applied(&copied(grad)?), x)?))
    }
}
