//! The network: dilated convolutions over the frames, a softmax a frame.
//!
//! A convolution is the sum of three shifted views of the sequence, each multiplied by its part of one matrix: the same
//! function as `conv1d`, with a fast backward pass on the CPU. Recordings of a batch follow each other in one sequence,
//! [`GAP`] empty frames between them. The norm is the plain one of candle-nn, because the fused one has
//! no gradient.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::{log_softmax, rms_norm_slow};

use super::features::FRAME;
use super::graph::CLASSES;

/// Width of the sequence between layers.
pub const HIDDEN: usize = 192;
/// How far the copies of each layer are shifted. Together a frame sees 13 neighbours, a quarter of a second, on each
/// side: enough to know the sounds around it, too little to guess a sound from the sentence.
const DILATIONS: [usize; 6] = [1, 1, 2, 3, 3, 2];
/// Empty frames between two recordings of a batch, so that neither sees the other: the largest of the dilations.
pub const GAP: usize = 3;
const EPSILON: f32 = 1e-5;

/// How a tensor begins before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// All ones.
    Ones,
    /// All zeroes.
    Zeros,
    /// Uniform in ± the value.
    Uniform(f64),
}

/// Name, dimensions and start of every tensor of the network, in one order.
pub fn tensors() -> Vec<(String, Vec<usize>, Start)> {
    let uniform = |inputs: usize| Start::Uniform((3.0 / f64::from(super::audio::count(inputs))).sqrt());
    let mut all = vec![
        ("input.weight".to_owned(), vec![3 * FRAME, HIDDEN], uniform(3 * FRAME)),
        ("input.bias".to_owned(), vec![HIDDEN], Start::Zeros),
    ];
    for layer in 0..DILATIONS.len() {
        all.extend([
            (format!("layer{layer}.norm"), vec![HIDDEN], Start::Ones),
            (format!("layer{layer}.in.weight"), vec![3 * HIDDEN, HIDDEN], uniform(3 * HIDDEN)),
            (format!("layer{layer}.in.bias"), vec![HIDDEN], Start::Zeros),
            (format!("layer{layer}.out.weight"), vec![HIDDEN, HIDDEN], uniform(HIDDEN)),
        ]);
    }
    all.extend([
        ("norm".to_owned(), vec![HIDDEN], Start::Ones),
        ("head.weight".to_owned(), vec![HIDDEN, CLASSES], uniform(HIDDEN)),
        ("head.bias".to_owned(), vec![CLASSES], Start::Zeros),
    ]);
    all
}

#[derive(Debug)]
struct Layer {
    dilation: usize,
    norm: Tensor,
    input: (Tensor, Tensor),
    output: Tensor,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    input: (Tensor, Tensor),
    layers: Vec<Layer>,
    norm: Tensor,
    head: (Tensor, Tensor),
}

/// What may be done to the sequence inside the network while training: dropout.
pub type Noise<'a> = &'a mut dyn FnMut(Tensor) -> Result<Tensor>;

impl Network {
    /// Takes its tensors by the names of [`tensors`].
    ///
    /// # Errors
    /// Where one is missing or has other dimensions.
    pub fn new(from: &VarBuilder<'_>) -> Result<Self> {
        let shapes = tensors();
        let get = |name: &str| {
            let dims = shapes.iter().find(|(known, ..)| known == name).map(|(_, dims, _)| dims.clone());
            from.get(dims.unwrap_or_default(), name)
        };
        let pair =
            |name: &str| Ok::<_, candle_core::Error>((get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?));
        let layer = |(at, dilation): (usize, &usize)| {
            let output = get(&format!("layer{at}.out.weight"))?;
            Ok(Layer {
                dilation: *dilation,
                norm: get(&format!("layer{at}.norm"))?,
                input: pair(&format!("layer{at}.in"))?,
                output,
            })
        };
        Ok(Self {
            input: pair("input")?,
            layers: DILATIONS.iter().enumerate().map(layer).collect::<Result<_>>()?,
            norm: get("norm")?,
            head: pair("head")?,
        })
    }

    /// Logarithms of the probabilities of the classes: from `[frames, FRAME]` to `[frames, CLASSES]`. `mask`,
    /// `[frames, 1]`, is 0 between recordings.
    pub fn log_probabilities(&self, frames: &Tensor, mask: Option<&Tensor>, noise: Noise<'_>) -> Result<Tensor> {
        let mut x = convolved(frames, 1, &self.input)?;
        for layer in &self.layers {
            let normed = rms_norm_slow(&x, &layer.norm, EPSILON)?;
            let normed = mask.map_or(Ok(normed.clone()), |mask| normed.broadcast_mul(mask))?;
            let inner = convolved(&normed, layer.dilation, &layer.input)?;
            x = (x + noise(inner.relu()?)?.matmul(&layer.output)?)?;
        }
        let logits = rms_norm_slow(&x, &self.norm, EPSILON)?.matmul(&self.head.0)?.broadcast_add(&self.head.1)?;
        log_softmax(&logits, D::Minus1)
    }

    /// The same for one recording, as plain numbers, [`CLASSES`] a frame. A long one is computed in parts that overlap
    /// by what a frame sees, which changes nothing but the memory that it takes.
    pub fn run(&self, frames: &[f32]) -> Result<Vec<f32>> {
        const PART: usize = 500;
        let reach = 1 + DILATIONS.iter().sum::<usize>();
        let total = frames.len() / FRAME;
        let mut all = Vec::with_capacity(total * CLASSES);
        for start in (0..total).step_by(PART) {
            let end = (start + PART).min(total);
            let (from, to) = (start.saturating_sub(reach), (end + reach).min(total));
            let part = Tensor::from_slice(&frames[from * FRAME..to * FRAME], (to - from, FRAME), &Device::Cpu)?;
            let found = self.log_probabilities(&part, None, &mut Ok)?;
            all.extend(
                found.narrow(0, start - from, end - start)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?,
            );
        }
        Ok(all)
    }
}

/// Each frame with the frame `dilation` before and after it, by weight and bias; zeroes beyond the ends. `[T, H]` to
/// `[T, W]`, the weight `[3H, W]`.
fn convolved(x: &Tensor, dilation: usize, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
    let (length, width) = x.dims2()?;
    let padded = x.pad_with_zeros(0, dilation, dilation)?;
    let tap = |at: usize| padded.narrow(0, at * dilation, length)?.matmul(&weight.narrow(0, at * width, width)?);
    (tap(0)? + tap(1)? + tap(2)?)?.broadcast_add(bias)
}
