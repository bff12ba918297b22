//! The network once more, by hand: forward and backward over plain vectors, several times faster than by candle's
//! graph, because the tables get gradients only for the rows that a batch touches. A test holds both to the same
//! numbers and the same gradients.

use baeum_ml::learning::error_detector::evidence::KINDS;
use baeum_ml::learning::error_detector::features::Features;
use baeum_ml::learning::error_detector::model::{DILATIONS, EMBEDDING, EPSILON, EVIDENCE, HIDDEN, JOINED, SHAPE};
use baeum_ml::learning::error_detector::tags::TAGS;
use candle_core::{Device, Result, Tensor};

use crate::rng::Rng;

/// Places of the tensors, in the order of `model::tensors`; the Penn head comes last.
pub(crate) const TABLES: usize = 4;
const INPUT: usize = 4;
const LAYERS: usize = 6;
const NORM: usize = LAYERS + 5 * DILATIONS.len();
const HEAD: usize = NORM + 2;
pub(crate) const POS_HEAD: usize = HEAD + 2;
/// Of 256: how many values are dropped while training.
const DROPPED: u8 = 38;
/// Weight of the loss of the Penn tags beside that of the mistakes.
const POS_WEIGHT: f32 = 0.3;

/// One example as rows and targets.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) features: Vec<Features>,
    pub(crate) tags: Vec<u32>,
    pub(crate) pos: Vec<Option<u32>>,
}

/// Gradients of every tensor, with the rows of the tables that have one.
pub(crate) struct Gradients {
    pub(crate) values: Vec<Vec<f32>>,
    pub(crate) touched: Vec<Vec<u32>>,
    marks: Vec<Vec<bool>>,
    widths: Vec<usize>,
}

impl Gradients {
    pub(crate) fn new(weights: &[Vec<f32>]) -> Self {
        let widths = vec![EMBEDDING, EMBEDDING, SHAPE, EVIDENCE];
        let marks = widths.iter().zip(weights).map(|(width, w)| vec![false; w.len() / width]).collect();
        Self {
            values: weights.iter().map(|w| vec![0.0; w.len()]).collect(),
            touched: vec![Vec::new(); TABLES],
            marks,
            widths,
        }
    }

    /// Makes all of it nought again.
    pub(crate) fn clear(&mut self) {
        for table in 0..TABLES {
            for row in std::mem::take(&mut self.touched[table]) {
                self.marks[table][row as usize] = false;
                self.row(table, row).fill(0.0);
            }
        }
        self.values[TABLES..].iter_mut().for_each(|values| values.fill(0.0));
    }

    pub(crate) fn row(&mut self, table: usize, row: u32) -> &mut [f32] {
        let width = self.widths[table];
        &mut self.values[table][row as usize * width..(row as usize + 1) * width]
    }

    fn add_row(&mut self, table: usize, row: u32, values: &[f32], weight: f32) {
        if !std::mem::replace(&mut self.marks[table][row as usize], true) {
            self.touched[table].push(row);
        }
        self.row(table, row).iter_mut().zip(values).for_each(|(to, from)| *to += from * weight);
    }

    /// Values of a row of a table.
    pub(crate) fn width(&self, table: usize) -> usize {
        self.widths[table]
    }

    /// Adds another's, in place.
    pub(crate) fn add(&mut self, other: &Gradients) {
        for table in 0..TABLES {
            let width = self.widths[table];
            for row in &other.touched[table] {
                let start = *row as usize * width;
                self.add_row(table, *row, &other.values[table][start..start + width], 1.0);
            }
        }
        for (to, from) in self.values.iter_mut().zip(&other.values).skip(TABLES) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

/// The first matrix (rows × inner) by the second (inner × columns); a `true` says that a matrix lies transposed.
fn product(
    (left, left_turned): (&[f32], bool),
    (right, right_turned): (&[f32], bool),
    (rows, inner, columns): (usize, usize, usize),
) -> Result<Vec<f32>> {
    let tensor = |values: &[f32], rows: usize, columns: usize, turned: bool| {
        if turned {
            Tensor::from_slice(values, (columns, rows), &Device::Cpu)?.t()
        } else {
            Tensor::from_slice(values, (rows, columns), &Device::Cpu)
        }
    };
    let right = tensor(right, inner, columns, right_turned)?;
    tensor(left, rows, inner, left_turned)?.matmul(&right)?.flatten_all()?.to_vec1()
}

/// Columns summed into `into`.
fn sum_columns(values: &[f32], into: &mut [f32]) {
    for row in values.chunks_exact(into.len()) {
        into.iter_mut().zip(row).for_each(|(to, from)| *to += from);
    }
}

/// What a layer norm keeps for its way back: the normed values and one over the deviation.
struct Normed {
    normed: Vec<f32>,
    scale: Vec<f32>,
}

fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32]) -> (Vec<f32>, Normed) {
    let (mut out, mut kept) = (vec![0.0; x.len()], Normed { normed: vec![0.0; x.len()], scale: Vec::new() });
    let rows = x.chunks_exact(HIDDEN).zip(out.chunks_exact_mut(HIDDEN)).zip(kept.normed.chunks_exact_mut(HIDDEN));
    for ((x, out), normed) in rows {
        let mean = x.iter().sum::<f32>() / HIDDEN as f32;
        let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / HIDDEN as f32;
        let scale = (variance + EPSILON).sqrt().recip();
        kept.scale.push(scale);
        for at in 0..HIDDEN {
            normed[at] = (x[at] - mean) * scale;
            out[at] = normed[at] * weight[at] + bias[at];
        }
    }
    (out, kept)
}

/// Adds the gradient of the input of a layer norm to `into`, and those of weight and bias to theirs.
fn layer_norm_back(
    kept: &Normed,
    weight: &[f32],
    given: &[f32],
    into: &mut [f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
) {
    let rows = kept.normed.chunks_exact(HIDDEN).zip(given.chunks_exact(HIDDEN)).zip(into.chunks_exact_mut(HIDDEN));
    for (((normed, given), into), scale) in rows.zip(&kept.scale) {
        let (mut mean, mut along) = (0.0, 0.0);
        for at in 0..HIDDEN {
            weight_gradient[at] += given[at] * normed[at];
            bias_gradient[at] += given[at];
            let inner = given[at] * weight[at];
            mean += inner;
            along += inner * normed[at];
        }
        (mean, along) = (mean / HIDDEN as f32, along / HIDDEN as f32);
        for at in 0..HIDDEN {
            into[at] += scale * (given[at] * weight[at] - mean - normed[at] * along);
        }
    }
}

/// A dropout mask: 0 or what keeps the mean. All ones without a generator.
fn mask(length: usize, rng: Option<&mut Rng>) -> Vec<f32> {
    let Some(rng) = rng else { return vec![1.0; length] };
    let keep = 256.0 / (256.0 - f32::from(DROPPED));
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend(rng.next().to_le_bytes().map(|byte| if byte < DROPPED { 0.0 } else { keep }));
    }
    all.truncate(length);
    all
}

struct Layer {
    norm: Normed,
    shifted: Vec<f32>,
    gated: Vec<f32>,
    dropped: Vec<f32>,
    mask: Vec<f32>,
}

/// Source row of each of the three copies of a place, where it is inside the sentence's stretch.
fn sources(cell: usize, length: usize, dilation: usize) -> [Option<usize>; 3] {
    let column = cell % length;
    [(column >= dilation).then(|| cell - dilation), Some(cell), (column + dilation < length).then(|| cell + dilation)]
}

/// Loss (a share of the mean over `tokens`) of some rows of a batch; adds to the gradients. Without a generator
/// nothing is dropped.
#[allow(clippy::too_many_lines, reason = "there and back over the same values")]
pub(crate) fn gradients(
    weights: &[Vec<f32>],
    rows: &[Row],
    tokens: usize,
    mut rng: Option<Rng>,
    out: &mut Gradients,
) -> Result<f64> {
    let length = rows.iter().map(|row| row.features.len()).max().unwrap_or(1);
    let cells = rows.len() * length;
    let token = |cell: usize| rows[cell / length].features.get(cell % length);
    let table = |table: usize, width: usize, row: u32| &weights[table][row as usize * width..][..width];

    let mut joined = vec![0.0; cells * JOINED];
    for (cell, place) in joined.chunks_exact_mut(JOINED).enumerate() {
        let Some(token) = token(cell) else { continue };
        let (word, rest) = place.split_at_mut(EMBEDDING);
        let (grams, rest) = rest.split_at_mut(EMBEDDING);
        let (shape, evidence) = rest.split_at_mut(SHAPE);
        word.copy_from_slice(table(0, EMBEDDING, token.word));
        let share = (token.grams.len() as f32).recip();
        for gram in &token.grams {
            grams.iter_mut().zip(table(1, EMBEDDING, *gram)).for_each(|(to, from)| *to += from * share);
        }
        shape.copy_from_slice(table(2, SHAPE, token.shape));
        for row in &token.evidence {
            evidence.iter_mut().zip(table(3, EVIDENCE, *row)).for_each(|(to, from)| *to += from);
        }
    }
    let joined_mask = mask(joined.len(), rng.as_mut());
    joined.iter_mut().zip(&joined_mask).for_each(|(v, m)| *v *= m);

    let mut x = product((&joined, false), (&weights[INPUT], false), (cells, JOINED, HIDDEN))?;
    x.chunks_exact_mut(HIDDEN).for_each(|row| row.iter_mut().zip(&weights[INPUT + 1]).for_each(|(v, b)| *v += b));
    let mut layers = Vec::with_capacity(DILATIONS.len());
    for (at, dilation) in DILATIONS.into_iter().enumerate() {
        let own = &weights[LAYERS + 5 * at..];
        let (normed, norm) = layer_norm(&x, &own[0], &own[1]);
        let mut shifted = vec![0.0; cells * 3 * HIDDEN];
        for (cell, place) in shifted.chunks_exact_mut(3 * HIDDEN).enumerate() {
            for (part, source) in place.chunks_exact_mut(HIDDEN).zip(sources(cell, length, dilation)) {
                if let Some(source) = source.filter(|source| token(*source).is_some()) {
                    part.copy_from_slice(&normed[source * HIDDEN..(source + 1) * HIDDEN]);
                }
            }
        }
        // The gate becomes its sigmoid in place.
        let mut gated = product((&shifted, false), (&own[2], false), (cells, 3 * HIDDEN, 2 * HIDDEN))?;
        let layer_mask = mask(cells * HIDDEN, rng.as_mut());
        let mut dropped = vec![0.0; cells * HIDDEN];
        let places = gated.chunks_exact_mut(2 * HIDDEN).zip(dropped.chunks_exact_mut(HIDDEN));
        for ((place, dropped), mask) in places.zip(layer_mask.chunks_exact(HIDDEN)) {
            place.iter_mut().zip(&own[3]).for_each(|(v, b)| *v += b);
            let (value, gate) = place.split_at_mut(HIDDEN);
            for at in 0..HIDDEN {
                gate[at] = 1.0 / (1.0 + (-gate[at]).exp());
                dropped[at] = value[at] * gate[at] * mask[at];
            }
        }
        let update = product((&dropped, false), (&own[4], false), (cells, HIDDEN, HIDDEN))?;
        x.iter_mut().zip(update).for_each(|(to, from)| *to += from);
        layers.push(Layer { norm, shifted, gated, dropped, mask: layer_mask });
    }
    let (hidden, norm) = layer_norm(&x, &weights[NORM], &weights[NORM + 1]);

    let scale = 1.0 / tokens as f32;
    let mut loss = 0.0;
    let mut down = vec![0.0; cells * HIDDEN];
    let pos_width = weights[POS_HEAD].len() / HIDDEN;
    for (head, width, importance) in [(HEAD, TAGS.len(), 1.0), (POS_HEAD, pos_width, POS_WEIGHT)] {
        let mut logits = product((&hidden, false), (&weights[head], false), (cells, HIDDEN, width))?;
        for (cell, logits) in logits.chunks_exact_mut(width).enumerate() {
            let (row, column) = (&rows[cell / length], cell % length);
            let target =
                if head == HEAD { row.tags.get(column).copied() } else { row.pos.get(column).copied().flatten() };
            let Some(target) = target else {
                logits.fill(0.0);
                continue;
            };
            if head == HEAD {
                logits.iter_mut().zip(&weights[HEAD + 1]).for_each(|(v, b)| *v += b);
            }
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            for value in logits.iter_mut() {
                *value = (*value - top).exp();
            }
            let sum: f32 = logits.iter().sum();
            if head == HEAD {
                loss -= f64::from((logits[target as usize] / sum).max(1e-30).ln());
            }
            for value in logits.iter_mut() {
                *value *= importance * scale / sum;
            }
            logits[target as usize] -= importance * scale;
        }
        let gradient = product((&hidden, true), (&logits, false), (HIDDEN, cells, width))?;
        out.values[head].iter_mut().zip(gradient).for_each(|(to, from)| *to += from);
        if head == HEAD {
            sum_columns(&logits, &mut out.values[HEAD + 1]);
        }
        let back = product((&logits, false), (&weights[head], true), (cells, width, HIDDEN))?;
        down.iter_mut().zip(back).for_each(|(to, from)| *to += from);
    }

    let mut dx = vec![0.0; cells * HIDDEN];
    norm_back(&norm, weights, NORM, &down, &mut dx, out);
    for (at, dilation) in DILATIONS.into_iter().enumerate().rev() {
        let first = LAYERS + 5 * at;
        let layer = &layers[at];
        let gradient = product((&layer.dropped, true), (&dx, false), (HIDDEN, cells, HIDDEN))?;
        out.values[first + 4].iter_mut().zip(gradient).for_each(|(to, from)| *to += from);
        let update = product((&dx, false), (&weights[first + 4], true), (cells, HIDDEN, HIDDEN))?;
        let mut gated = vec![0.0; cells * 2 * HIDDEN];
        let places = gated.chunks_exact_mut(2 * HIDDEN).zip(layer.gated.chunks_exact(2 * HIDDEN));
        let given = update.chunks_exact(HIDDEN).zip(layer.mask.chunks_exact(HIDDEN));
        for ((place, kept), (given, mask)) in places.zip(given) {
            for at in 0..HIDDEN {
                let (value, gate, inner) = (kept[at], kept[HIDDEN + at], given[at] * mask[at]);
                place[at] = inner * gate;
                place[HIDDEN + at] = inner * value * gate * (1.0 - gate);
            }
        }
        sum_columns(&gated, &mut out.values[first + 3]);
        let gradient = product((&layer.shifted, true), (&gated, false), (3 * HIDDEN, cells, 2 * HIDDEN))?;
        out.values[first + 2].iter_mut().zip(gradient).for_each(|(to, from)| *to += from);
        let shifted = product((&gated, false), (&weights[first + 2], true), (cells, 2 * HIDDEN, 3 * HIDDEN))?;
        let mut normed = vec![0.0; cells * HIDDEN];
        for (cell, place) in shifted.chunks_exact(3 * HIDDEN).enumerate() {
            for (part, source) in place.chunks_exact(HIDDEN).zip(sources(cell, length, dilation)) {
                if let Some(source) = source.filter(|source| token(*source).is_some()) {
                    let to = &mut normed[source * HIDDEN..(source + 1) * HIDDEN];
                    to.iter_mut().zip(part).for_each(|(to, from)| *to += from);
                }
            }
        }
        norm_back(&layer.norm, weights, first, &normed, &mut dx, out);
    }

    let gradient = product((&joined, true), (&dx, false), (JOINED, cells, HIDDEN))?;
    out.values[INPUT].iter_mut().zip(gradient).for_each(|(to, from)| *to += from);
    sum_columns(&dx, &mut out.values[INPUT + 1]);
    let mut back = product((&dx, false), (&weights[INPUT], true), (cells, HIDDEN, JOINED))?;
    back.iter_mut().zip(&joined_mask).for_each(|(v, m)| *v *= m);
    for (cell, place) in back.chunks_exact(JOINED).enumerate() {
        let Some(token) = token(cell) else { continue };
        out.add_row(0, token.word, &place[..EMBEDDING], 1.0);
        let share = (token.grams.len() as f32).recip();
        for gram in &token.grams {
            out.add_row(1, *gram, &place[EMBEDDING..2 * EMBEDDING], share);
        }
        out.add_row(2, token.shape, &place[2 * EMBEDDING..2 * EMBEDDING + SHAPE], 1.0);
        for row in &token.evidence[..KINDS] {
            out.add_row(3, *row, &place[2 * EMBEDDING + SHAPE..], 1.0);
        }
    }
    Ok(loss * f64::from(scale))
}

/// The way back through the layer norm whose weight is the tensor at `first` and whose bias follows it.
fn norm_back(kept: &Normed, weights: &[Vec<f32>], first: usize, given: &[f32], into: &mut [f32], out: &mut Gradients) {
    let (before, after) = out.values.split_at_mut(first + 1);
    layer_norm_back(kept, &weights[first], given, into, &mut before[first], &mut after[0]);
}
