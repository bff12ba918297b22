//! The networks: BERT's encoder over word pieces ([`Bert`]), and the same with an embedding for the form of each word and
//! a head a token ([`Network`]).
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

/// Name and dimensions of every tensor of [`Bert`], in one order. Matrices are `[inputs, outputs]`.
pub fn bert_tensors(size: Size) -> Vec<(String, Vec<usize>)> {
    let Size { pieces, width, inner, layers } = size;
    let mut all = vec![
        ("pieces".to_owned(), vec![pieces, width]),
        ("places".to_owned(), vec![PLACES, width]),
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
    all
}

/// The same of [`Network`].
pub fn tensors(size: Size) -> Vec<(String, Vec<usize>)> {
    let width = size.width;
    let mut all = bert_tensors(size);
    all.insert(2, ("forms".to_owned(), vec![FORMS, width]));
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
        self.close(start);
    }

    /// Adds a text by the rows of its pieces, for a network that has no forms and answers for no token; no more than
    /// [`PLACES`] with both ends.
    pub fn push_text(&mut self, text: &[u32], pieces: &WordPieces) {
        let start = self.pieces.len();
        self.pieces.push(pieces.begin);
        self.pieces.extend(text.iter().take(PLACES - 2));
        self.pieces.push(pieces.end);
        self.close(start);
    }

    /// Ends the sentence whose cells began at `start`.
    fn close(&mut self, start: usize) {
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

    /// The cells of each sentence.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
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

/// BERT's encoder. Holds tensors only: it can be shared between threads.
#[derive(Debug)]
pub struct Bert {
    pieces: Tensor,
    places: Tensor,
    norm: Affine,
    layers: Vec<Layer>,
}

/// A tensor by its name.
fn find<'a>(weights: &'a HashMap<String, Tensor>, name: &str) -> Result<&'a Tensor> {
    weights.get(name).ok_or_else(|| Error::CannotFindTensor { path: name.to_owned() })
}

fn check(weights: &HashMap<String, Tensor>, names: Vec<(String, Vec<usize>)>) -> Result<()> {
    for (name, dims) in names {
        let found = find(weights, &name)?;
        if found.dims() != dims {
            candle_core::bail!("{name} is {:?} and should be {dims:?}", found.dims());
        }
    }
    Ok(())
}

fn affine(weights: &HashMap<String, Tensor>, name: &str) -> Result<Affine> {
    Ok((find(weights, &format!("{name}.weight"))?.clone(), find(weights, &format!("{name}.bias"))?.clone()))
}

impl Size {
    /// What the tensors themselves say of it.
    fn of(weights: &HashMap<String, Tensor>) -> Result<Self> {
        let (pieces, width) = find(weights, "pieces")?.dims2()?;
        let layers = weights.keys().filter(|name| name.ends_with(".up.weight")).count();
        let inner = find(weights, "layer0.up.weight")?.dim(1)?;
        if width % HEAD != 0 {
            candle_core::bail!("a width of {width} has no whole number of heads");
        }
        Ok(Self { pieces, width, inner, layers })
    }
}

impl Bert {
    /// Takes its tensors by the names of [`bert_tensors`]; how large it is, they say themselves.
    pub fn new(weights: &HashMap<String, Tensor>) -> Result<Self> {
        let size = Size::of(weights)?;
        check(weights, bert_tensors(size))?;
        let layer = |at: usize| {
            let pair = |part: &str| affine(weights, &format!("layer{at}.{part}"));
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
            pieces: find(weights, "pieces")?.clone(),
            places: find(weights, "places")?.clone(),
            norm: affine(weights, "norm")?,
            layers: (0..size.layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The embedding of each cell's piece, `[cells, width]`.
    pub fn embedded(&self, packed: &Packed) -> Result<Tensor> {
        self.pieces.index_select(&rows(&packed.pieces)?, 0)
    }

    /// The sequence after the last layer, `[cells, width]`, from [`Self::embedded`]; `forms` are added to it where there
    /// are any. `dropout` while training.
    pub fn hidden(
        &self,
        embedded: &Tensor,
        forms: Option<&Tensor>,
        packed: &Packed,
        dropout: Option<Dropout>,
    ) -> Result<Tensor> {
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
        let mut x = (embedded + self.places.index_select(&rows(&packed.places)?, 0)?)?;
        if let Some(forms) = forms {
            x = (x + forms)?;
        }
        x = thin(normed(&x, &self.norm)?)?;
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
}

/// The network that answers for each token. Holds tensors only: it can be shared between threads.
#[derive(Debug)]
pub struct Network {
    bert: Bert,
    forms: Tensor,
    head: Affine,
}

impl Network {
    /// Takes its tensors by the names of [`tensors`]; how large it is, they say themselves.
    pub fn new(weights: &HashMap<String, Tensor>) -> Result<Self> {
        check(weights, tensors(Size::of(weights)?))?;
        Ok(Self { bert: Bert::new(weights)?, forms: find(weights, "forms")?.clone(), head: affine(weights, "head")? })
    }

    /// The embedding of each cell's piece, `[cells, width]`.
    pub fn embedded(&self, packed: &Packed) -> Result<Tensor> {
        self.bert.embedded(packed)
    }

    /// The sequence after the last layer, `[cells, width]`, from [`Self::embedded`]. `dropout` while training.
    pub fn hidden(&self, embedded: &Tensor, packed: &Packed, dropout: Option<Dropout>) -> Result<Tensor> {
        let forms = self.forms.index_select(&rows(&packed.forms)?, 0)?;
        self.bert.hidden(embedded, Some(&forms), packed, dropout)
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
