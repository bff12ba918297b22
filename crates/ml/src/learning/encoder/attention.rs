//! Attention within each sentence of a packed batch. No sentence sees another, and nothing is padded.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::ops::{Dropout, add_scaled, copied, dot, exp, values};

/// Width of an attention head, as in MiniLM.
pub(super) const HEAD: usize = 32;
const SCALE: f32 = 0.176_776_7; // 1 / √32

/// From `[cells, 3 × width]` (queries, keys, values) to `[cells, width]`.
#[derive(Debug)]
pub(super) struct Attention {
    /// The cells of each sentence.
    pub(super) ranges: Arc<[Range<usize>]>,
    /// Leaves attention out while training.
    pub(super) dropout: Option<Dropout>,
}

/// One head of one sentence: where its rows stand in a joined matrix.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    length: usize,
    width: usize,
    head: usize,
}

impl Place {
    /// Query (0), key (1) or value (2) of a token.
    fn part(self, token: usize, part: usize) -> Range<usize> {
        let start = (self.start + token) * 3 * self.width + part * self.width + self.head * HEAD;
        start..start + HEAD
    }

    fn context(self, token: usize) -> Range<usize> {
        let start = (self.start + token) * self.width + self.head * HEAD;
        start..start + HEAD
    }

    /// What a token attends to, by softmax: `weights` has one value a token.
    fn attend(self, joined: &[f32], token: usize, weights: &mut [f32]) {
        let query = &joined[self.part(token, 0)];
        let mut highest = f32::NEG_INFINITY;
        for (other, weight) in weights.iter_mut().enumerate() {
            *weight = dot(query, &joined[self.part(other, 1)]) * SCALE;
            highest = highest.max(*weight);
        }
        let mut sum = 0.0;
        for weight in weights.iter_mut() {
            *weight = exp(*weight - highest);
            sum += *weight;
        }
        for weight in weights.iter_mut() {
            *weight /= sum;
        }
    }

    fn factor(self, dropout: Option<Dropout>, token: usize, other: usize) -> f32 {
        let place = ((self.start + token) * self.width + self.head) as u64 * 4096 + other as u64;
        dropout.map_or(1.0, |dropout| dropout.factor(place))
    }
}

impl Attention {
    fn places(&self, width: usize) -> impl Iterator<Item = Place> {
        self.ranges.iter().flat_map(move |range| {
            let (start, length) = (range.start, range.len());
            (0..width / HEAD).map(move |head| Place { start, length, width, head })
        })
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let joined = values(storage, layout)?;
        let (cells, tripled) = layout.shape().dims2()?;
        let width = tripled / 3;
        let mut out = vec![0.0; cells * width];
        let mut weights = Vec::new();
        for place in self.places(width) {
            weights.resize(place.length, 0.0);
            for token in 0..place.length {
                place.attend(joined, token, &mut weights);
                let context = &mut out[place.context(token)];
                for (other, weight) in weights.iter().enumerate() {
                    let weight = weight * place.factor(self.dropout, token, other);
                    add_scaled(context, weight, &joined[place.part(other, 2)]);
                }
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((cells, width))))
    }

    fn bwd(&self, joined: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (values, grads) = (copied(joined)?, copied(grad)?);
        let width = joined.dim(1)? / 3;
        let mut out = vec![0.0; values.len()];
        let (mut weights, mut slopes) = (Vec::new(), Vec::new());
        for place in self.places(width) {
            weights.resize(place.length, 0.0);
            slopes.resize(place.length, 0.0);
            for token in 0..place.length {
                place.attend(&values, token, &mut weights);
                let above = &grads[place.context(token)];
                let mut mean = 0.0;
                for (other, (weight, slope)) in weights.iter().zip(&mut slopes).enumerate() {
                    let factor = place.factor(self.dropout, token, other);
                    *slope = factor * dot(above, &values[place.part(other, 2)]);
                    mean += weight * *slope;
                    add_scaled(&mut out[place.part(other, 2)], weight * factor, above);
                }
                for (other, (weight, slope)) in weights.iter().zip(&slopes).enumerate() {
                    let slope = weight * (slope - mean) * SCALE;
                    add_scaled(&mut out[place.part(token, 0)], slope, &values[place.part(other, 1)]);
                    add_scaled(&mut out[place.part(other, 1)], slope, &values[place.part(token, 0)]);
                }
            }
        }
        Ok(Some(Tensor::from_vec(out, joined.shape(), joined.device())?))
    }
}
