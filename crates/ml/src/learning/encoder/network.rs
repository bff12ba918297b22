//! The network: BERT's encoder over word pieces, with an embedding for the form of each word, and a head a token.
//!
//! Sentences are packed one after another and never padded: products see one long matrix, attention sees sentences.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Error, Result, Tensor};

use super::super::error_detector::tags::TAGS;
use super::super::error_detector::tokenize::Token;
use super::attention::{Attention, HEAD};
use super::ops::{Bias, BiasGelu, Dropout, LayerNorm};
use super::word_pieces::{FORMS, WordPieces, form};

/// The most tokens of a sentence that are read at once.
pub const WINDOW: usize = 96;
/// Places of a sentence that have an embedding: those of [`WINDOW`] tokens fit.
pub const PLACES: usize = 512;
/// Outputs a token: the logit of a mistake, then one for each category.
pub const OUTPUTS: usize = TAGS.len();

/// How large a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Word pieces.
    pub pieces: usize,
    /// Width of the sequence, a multiple of 32.
    pub width: usize,
    /// Width inside a layer.
    pub inner: usize,
    /// Layers.
    pub layers: usize,
}

/// Name and dimensions of every tensor, in one order. Matrices are `[inputs, outputs]`.
pub fn tensors(size: Size) -> Vec<(String, Vec<usize>)> {
    let Size { pieces, width, inner, layers } = size;
    let mut all = vec![
        ("pieces".to_owned(), vec![pieces, width]),
        ("places".to_owned(), vec![PLACES, width]),
        ("forms".to_owned(), vec![FORMS, width]),
        ("norm.weight".to_owned(), vec![width]),
        ("norm.bias".to_owned(), vec![width]),
    ];
    for layer in 0..layers {
        let parts =
            [("joined", width, 3 * width), ("context", width, width), ("up", width, inner), ("down", inner, width)];
        for (part, inputs, outputs) in parts {
            all.push((format!("layer{layer}.{part}.weight"), vec![inputs, outputs]));
            all.push((format!("layer{layer}.{part}.bias"), vec![outputs]));
        }
        for norm in ["norm1", "norm2"] {
            all.push((format!("layer{layer}.{norm}.weight"), vec![width]));
            all.push((format!("layer{layer}.{norm}.bias"), vec![width]));
        }
    }
    all.push(("head.weight".to_owned(), vec![width, OUTPUTS]));
    all.push(("head.bias".to_owned(), vec![OUTPUTS]));
    all
}

/// Sentences one after another, as rows of tables.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    /// Row of each cell in the table of pieces.
    pub pieces: Vec<u32>,
    places: Vec<u32>,
    forms: Vec<u32>,
    ranges: Vec<Range<usize>>,
    /// The cell of each token's first piece.
    firsts: Vec<u32>,
}

impl Packed {
    /// Adds a sentence of at most [`WINDOW`] tokens; what is beyond is cut.
    pub fn push(&mut self, sentence: &[Token], pieces: &WordPieces) {
        let sentence = &sentence[..sentence.len().min(WINDOW)];
        let start = self.pieces.len();
        let first_word = sentence.iter().position(Token::is_word);
        let mark = 12; // the form of marks
        self.cell(pieces.begin, mark);
        for (at, token) in sentence.iter().enumerate() {
            self.firsts.push(row(self.pieces.len()));
            let form = form(token, Some(at) == first_word);
            for piece in pieces.pieces(&token.text) {
                self.cell(piece, form);
            }
        }
        self.cell(pieces.end, mark);
        self.places.extend(0..row(self.pieces.len() - start));
        self.ranges.push(start..self.pieces.len());
    }

    fn cell(&mut self, piece: u32, form: u32) {
        self.pieces.push(piece);
        self.forms.push(form);
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.pieces.len()
    }
}

fn row(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn rows(indices: &[u32]) -> Result<Tensor> {
    Tensor::from_slice(indices, indices.len(), &Device::Cpu)
}

type Affine = (Tensor, Tensor);

#[derive(Debug)]
struct Layer {
    joined: Affine,
    context: Affine,
    norm1: Affine,
    up: Affine,
    down: Affine,
    norm2: Affine,
}

/// The network. Holds tensors only: it can be shared between threads.
#[derive(Debug)]
pub struct Network {
    pieces: Tensor,
    places: Tensor,
    forms: Tensor,
    norm: Affine,
    layers: Vec<Layer>,
    head: Affine,
}

impl Network {
    /// Takes its tensors by the names of [`tensors`]; how large it is, they say themselves.
    pub fn new(weights: &HashMap<String, Tensor>) -> Result<Self> {
        let find = |name: &str| weights.get(name).ok_or_else(|| Error::CannotFindTensor { path: name.to_owned() });
        let (pieces, width) = find("pieces")?.dims2()?;
        let layers = weights.keys().filter(|name| name.ends_with(".up.weight")).count();
        let inner = find("layer0.up.weight")?.dim(1)?;
        let size = Size { pieces, width, inner, layers };
        if width % HEAD != 0 {
            candle_core::bail!("a width of {width} has no whole number of heads");
        }
        for (name, dims) in tensors(size) {
            if find(&name)?.dims() != dims {
                candle_core::bail!("{name} is {:?} and should be {dims:?}", find(&name)?.dims());
            }
        }
        let get = |name: &str| find(name).cloned();
        let pair = |name: &str| Ok::<_, Error>((get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?));
        let layer = |at: usize| {
            let pair = |part: &str| pair(&format!("layer{at}.{part}"));
            Ok(Layer {
                joined: pair("joined")?,
                context: pair("context")?,
                norm1: pair("norm1")?,
                up: pair("up")?,
                down: pair("down")?,
                norm2: pair("norm2")?,
            })
        };
        Ok(Self {
            pieces: get("pieces")?,
            places: get("places")?,
            forms: get("forms")?,
            norm: pair("norm")?,
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            head: pair("head")?,
        })
    }

    /// The embedding of each cell's piece, `[cells, width]`.
    pub fn embedded(&self, packed: &Packed) -> Result<Tensor> {
        self.pieces.index_select(&rows(&packed.pieces)?, 0)
    }

    /// The sequence after the last layer, `[cells, width]`, from [`Self::embedded`]. `dropout` while training.
    pub fn hidden(&self, embedded: &Tensor, packed: &Packed, dropout: Option<Dropout>) -> Result<Tensor> {
        let ranges: Arc<[Range<usize>]> = packed.ranges.clone().into();
        let mut draws = 0;
        // Each use draws anew: a rate of its own seed.
        let mut fresh = || {
            draws += 1;
            dropout.map(|d| Dropout { seed: d.seed.wrapping_add(draws << 40), ..d })
        };
        let mut thin = |x: Tensor| match fresh() {
            Some(dropout) => x.apply_op1(dropout),
            None => Ok(x),
        };
        let places = self.places.index_select(&rows(&packed.places)?, 0)?;
        let forms = self.forms.index_select(&rows(&packed.forms)?, 0)?;
        let mut x = thin(normed(&((embedded + places)? + forms)?, &self.norm)?)?;
        for (layer, at) in self.layers.iter().zip(1u64..) {
            let joined = x.matmul(&layer.joined.0)?.apply_op2(&layer.joined.1, Bias)?;
            let dropout = dropout.map(|d| Dropout { seed: d.seed.wrapping_add(at << 56), ..d });
            let context = joined.apply_op1(Attention { ranges: Arc::clone(&ranges), dropout })?;
            let context = context.matmul(&layer.context.0)?.apply_op2(&layer.context.1, Bias)?;
            x = normed(&(x + thin(context)?)?, &layer.norm1)?;
            let inner = x.matmul(&layer.up.0)?.apply_op2(&layer.up.1, BiasGelu)?;
            let outer = inner.matmul(&layer.down.0)?.apply_op2(&layer.down.1, Bias)?;
            x = normed(&(x + thin(outer)?)?, &layer.norm2)?;
        }
        Ok(x)
    }

    /// Logits of every token, `[tokens, OUTPUTS]`, from [`Self::hidden`]: of a mistake, then of each category.
    pub fn logits(&self, hidden: &Tensor, packed: &Packed) -> Result<Tensor> {
        let tokens = hidden.index_select(&rows(&packed.firsts)?, 0)?;
        tokens.matmul(&self.head.0)?.apply_op2(&self.head.1, Bias)
    }
}

fn normed(x: &Tensor, norm: &Affine) -> Result<Tensor> {
    x.apply_op3(&norm.0, &norm.1, LayerNorm)
}
