//! The network: embeddings, gated dilated convolutions over the sentence, a softmax a token.
//!
//! A convolution is three shifted copies of the sequence, joined and multiplied by one matrix: the same function as
//! `conv1d`, with a fast backward pass on the CPU. Layer norm and softmax are the plain ones of candle-nn, because
//! the fused ones have no gradient.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::{layer_norm_slow, log_softmax};

use super::evidence::{KINDS, LEVELS};
use super::features::{Features, GRAM_ROWS, GRAMS, SHAPES, WORD_ROWS};
use super::tags::TAGS;

/// Width of a word row and of an n-gram row.
pub const EMBEDDING: usize = 64;
/// Width of a shape row.
pub const SHAPE: usize = 16;
/// Width of an evidence row.
pub const EVIDENCE: usize = 32;
/// Width of what the network sees of a token: word, n-grams, shape, evidence, in this order.
pub const JOINED: usize = 2 * EMBEDDING + SHAPE + EVIDENCE;
/// Width of the sequence between layers.
pub const HIDDEN: usize = 128;
/// How far the copies of each layer are shifted. Together a token sees 16 neighbours on each side.
pub const DILATIONS: [usize; 6] = [1, 1, 2, 4, 7, 1];
/// Keeps layer norms finite.
pub const EPSILON: f32 = 1e-5;

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

/// A count as a float; exact below 2³².
pub(super) fn small(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Name, dimensions and start of every tensor of the network, in one order.
pub fn tensors() -> Vec<(String, Vec<usize>, Start)> {
    let uniform = |inputs: usize| Start::Uniform((3.0 / small(inputs)).sqrt());
    let mut all = vec![
        ("words".to_owned(), vec![WORD_ROWS, EMBEDDING], Start::Uniform(0.2)),
        ("grams".to_owned(), vec![GRAM_ROWS, EMBEDDING], Start::Uniform(0.4)),
        ("shapes".to_owned(), vec![SHAPES, SHAPE], Start::Uniform(0.2)),
        ("evidence".to_owned(), vec![KINDS * LEVELS, EVIDENCE], Start::Uniform(0.1)),
        ("input.weight".to_owned(), vec![JOINED, HIDDEN], uniform(JOINED)),
        ("input.bias".to_owned(), vec![HIDDEN], Start::Zeros),
    ];
    for layer in 0..DILATIONS.len() {
        all.extend([
            (format!("layer{layer}.norm.weight"), vec![HIDDEN], Start::Ones),
            (format!("layer{layer}.norm.bias"), vec![HIDDEN], Start::Zeros),
            (format!("layer{layer}.in.weight"), vec![3 * HIDDEN, 2 * HIDDEN], uniform(3 * HIDDEN)),
            (format!("layer{layer}.in.bias"), vec![2 * HIDDEN], Start::Zeros),
            (format!("layer{layer}.out.weight"), vec![HIDDEN, HIDDEN], uniform(2 * HIDDEN)),
        ]);
    }
    all.extend([
        ("norm.weight".to_owned(), vec![HIDDEN], Start::Ones),
        ("norm.bias".to_owned(), vec![HIDDEN], Start::Zeros),
        ("head.weight".to_owned(), vec![HIDDEN, TAGS.len()], uniform(HIDDEN)),
        ("head.bias".to_owned(), vec![TAGS.len()], Start::Zeros),
    ]);
    all
}

/// Sentences side by side, padded to one length.
#[derive(Debug)]
pub struct Batch {
    words: Tensor,
    grams: Tensor,
    gram_weights: Tensor,
    shapes: Tensor,
    evidence: Tensor,
    mask: Tensor,
    size: (usize, usize),
}

impl Batch {
    /// Pads the sentences to `length` tokens each; a longer sentence is cut.
    pub fn new(sentences: &[Vec<Features>], length: usize) -> Result<Self> {
        let count = sentences.len();
        let cells = count * length;
        let (mut words, mut shapes, mut mask) = (vec![0u32; cells], vec![0u32; cells], vec![0f32; cells]);
        let (mut grams, mut gram_weights) = (vec![0u32; cells * GRAMS], vec![0f32; cells * GRAMS]);
        let mut evidence = vec![0u32; cells * KINDS];
        for (row, sentence) in sentences.iter().enumerate() {
            for (column, token) in sentence.iter().take(length).enumerate() {
                let cell = row * length + column;
                (words[cell], shapes[cell], mask[cell]) = (token.word, token.shape, 1.0);
                evidence[cell * KINDS..(cell + 1) * KINDS].copy_from_slice(&token.evidence);
                let weight = u16::try_from(token.grams.len().clamp(1, GRAMS)).map_or(0.0, |n| f32::from(n).recip());
                for (at, gram) in token.grams.iter().take(GRAMS).enumerate() {
                    grams[cell * GRAMS + at] = *gram;
                    gram_weights[cell * GRAMS + at] = weight;
                }
            }
        }
        let cpu = &Device::Cpu;
        Ok(Self {
            words: Tensor::from_vec(words, cells, cpu)?,
            grams: Tensor::from_vec(grams, cells * GRAMS, cpu)?,
            gram_weights: Tensor::from_vec(gram_weights, (cells, GRAMS, 1), cpu)?,
            shapes: Tensor::from_vec(shapes, cells, cpu)?,
            evidence: Tensor::from_vec(evidence, cells * KINDS, cpu)?,
            mask: Tensor::from_vec(mask, (cells, 1), cpu)?,
            size: (count, length),
        })
    }
}

#[derive(Debug)]
struct Layer {
    dilation: usize,
    norm: (Tensor, Tensor),
    input: (Tensor, Tensor),
    output: Tensor,
}

/// The network. Holds tensors only: it can be shared between threads.
#[derive(Debug)]
pub struct Network {
    words: Tensor,
    grams: Tensor,
    shapes: Tensor,
    evidence: Tensor,
    input: (Tensor, Tensor),
    layers: Vec<Layer>,
    norm: (Tensor, Tensor),
    head: (Tensor, Tensor),
}

/// What is done to a sequence between layers while training; nothing at inference.
pub type Noise<'a> = &'a mut dyn FnMut(Tensor) -> Result<Tensor>;

impl Network {
    /// Takes its tensors by the names and dimensions of [`tensors`].
    pub fn new(weights: &VarBuilder<'_>) -> Result<Self> {
        let dims: std::collections::HashMap<_, _> = tensors().into_iter().map(|(name, dims, _)| (name, dims)).collect();
        let get = |name: &str| weights.get(dims.get(name).cloned().unwrap_or_default(), name)?.to_dtype(DType::F32);
        let pair =
            |name: &str| Ok::<_, candle_core::Error>((get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?));
        let layer = |(at, dilation): (usize, &usize)| {
            let norm = pair(&format!("layer{at}.norm"))?;
            let input = pair(&format!("layer{at}.in"))?;
            Ok(Layer { dilation: *dilation, norm, input, output: get(&format!("layer{at}.out.weight"))? })
        };
        Ok(Self {
            words: get("words")?,
            grams: get("grams")?,
            shapes: get("shapes")?,
            evidence: get("evidence")?,
            input: pair("input")?,
            layers: DILATIONS.iter().enumerate().map(layer).collect::<Result<_>>()?,
            norm: pair("norm")?,
            head: pair("head")?,
        })
    }

    /// The sequence after the last layer, `[sentences × length, HIDDEN]`.
    pub fn hidden(&self, batch: &Batch, noise: Noise<'_>) -> Result<Tensor> {
        let (count, length) = batch.size;
        let cells = count * length;
        let words = self.words.index_select(&batch.words, 0)?;
        let shapes = self.shapes.index_select(&batch.shapes, 0)?;
        let grams = self.grams.index_select(&batch.grams, 0)?.reshape((cells, GRAMS, EMBEDDING))?;
        let grams = grams.broadcast_mul(&batch.gram_weights)?.sum(1)?;
        let evidence = self.evidence.index_select(&batch.evidence, 0)?.reshape((cells, KINDS, EVIDENCE))?.sum(1)?;
        let joined = noise(Tensor::cat(&[words, grams, shapes, evidence], 1)?)?;
        let mut x = joined.matmul(&self.input.0)?.broadcast_add(&self.input.1)?;
        for layer in &self.layers {
            let normed = layer_norm_slow(&x, &layer.norm.0, &layer.norm.1, EPSILON)?.broadcast_mul(&batch.mask)?;
            let shifted = neighbours(&normed.reshape((count, length, HIDDEN))?, layer.dilation)?;
            let gated = shifted.reshape((cells, 3 * HIDDEN))?.matmul(&layer.input.0)?.broadcast_add(&layer.input.1)?;
            let (value, gate) = (gated.narrow(1, 0, HIDDEN)?, gated.narrow(1, HIDDEN, HIDDEN)?);
            let update = (value * candle_nn::ops::sigmoid(&gate.contiguous()?)?)?;
            x = (x + noise(update)?.matmul(&layer.output)?)?;
        }
        layer_norm_slow(&x, &self.norm.0, &self.norm.1, EPSILON)
    }

    /// Log probabilities of the tags from [`Self::hidden`], `[sentences × length, tags]`.
    pub fn log_probabilities(&self, hidden: &Tensor, temperature: f64) -> Result<Tensor> {
        let logits = hidden.matmul(&self.head.0)?.broadcast_add(&self.head.1)?;
        log_softmax(&(logits / temperature)?, D::Minus1)
    }
}

/// Each place with the place `dilation` before and after it; zeroes beyond the ends. `[B, T, H]` to `[B, T, 3H]`.
fn neighbours(x: &Tensor, dilation: usize) -> Result<Tensor> {
    let length = x.dim(1)?;
    let padded = x.pad_with_zeros(1, dilation, dilation)?;
    Tensor::cat(&[padded.narrow(1, 0, length)?, x.clone(), padded.narrow(1, 2 * dilation, length)?], 2)
}
