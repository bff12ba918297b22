//! `AdamW` in one pass over memory, with a running average of the weights; and the same for rows of a table of which a
//! step touches few.

use std::collections::HashMap;
use std::sync::Mutex;

use candle_core::{CpuStorage, Error, InplaceOp3, Layout, Result};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;
const EPSILON: f32 = 1e-8;
const DECAY: f32 = 0.01;

/// What is the same for all weights of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Learning rate.
    pub(crate) rate: f32,
    /// 1 / (1 − βᵗ) of both moments.
    corrections: (f32, f32),
    /// What the average keeps of itself.
    pub(crate) keep: f32,
}

impl Pace {
    /// Of step `step`, from 1 on.
    pub(crate) fn new(rate: f64, step: i32, keep: f64) -> Self {
        let correction = |beta: f32| 1.0 / (1.0 - beta.powi(step));
        // A young average forgets faster: it must not remember what training began with.
        let young = (1.0 + f64::from(step)) / (10.0 + f64::from(step));
        Self { rate: rate as f32, corrections: (correction(BETA1), correction(BETA2)), keep: keep.min(young) as f32 }
    }

    /// The same, slower.
    pub(crate) fn slower(self, factor: f32) -> Self {
        Self { rate: self.rate * factor, ..self }
    }

    #[inline]
    fn moved(self, value: f32, grad: f32, first: &mut f32, second: &mut f32) -> f32 {
        *first = BETA1 * *first + (1.0 - BETA1) * grad;
        *second = BETA2 * *second + (1.0 - BETA2) * grad * grad;
        let step = *first * self.corrections.0 / ((*second * self.corrections.1).sqrt() + EPSILON);
        value - self.rate * (step + DECAY * value)
    }
}

/// Moments and average of one tensor.
#[derive(Debug)]
pub(crate) struct State {
    first: Vec<f32>,
    second: Vec<f32>,
    pub(crate) average: Vec<f32>,
}

impl State {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Self { first: vec![0.0; values.len()], second: vec![0.0; values.len()], average: values }
    }
}

/// One step of one tensor, by the sum of two gradients.
pub(crate) struct Update<'a> {
    pub(crate) state: &'a Mutex<State>,
    pub(crate) pace: Pace,
}

impl InplaceOp3 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam-w"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<()> {
        let CpuStorage::F32(values) = s1 else { candle_core::bail!("weights are f32") };
        let span = |layout: &Layout| {
            layout.contiguous_offsets().ok_or_else(|| Error::Msg("a gradient is not contiguous".to_owned()))
        };
        let ((start, end), (a, b), (c, d)) = (span(l1)?, span(l2)?, span(l3)?);
        let grads = s2.as_slice::<f32>()?[a..b].iter().zip(&s3.as_slice::<f32>()?[c..d]);
        let mut state = self.state.lock().map_err(|_| Error::Msg("a training thread panicked".to_owned()))?;
        let State { first, second, average } = &mut *state;
        let moments = first.iter_mut().zip(second).zip(average);
        for ((value, (a, b)), ((first, second), average)) in values[start..end].iter_mut().zip(grads).zip(moments) {
            *value = self.pace.moved(*value, a + b, first, second);
            *average += (1.0 - self.pace.keep) * (*value - *average);
        }
        Ok(())
    }
}

/// The table of word pieces: only rows that occur in a batch move.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) width: usize,
    pub(crate) values: Vec<f32>,
    state: State,
    /// The step at which the average of a row was last brought up to date.
    last: Vec<i32>,
}

impl Table {
    pub(crate) fn new(values: Vec<f32>, width: usize) -> Self {
        let rows = values.len() / width;
        Self { width, state: State::new(values.clone()), values, last: vec![0; rows] }
    }

    /// The rows of a batch, each once, in order of their first place; and the place of each cell among them.
    pub(crate) fn distinct(cells: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut rows, mut places) = (Vec::new(), HashMap::new());
        let place = |cell: &u32| {
            *places.entry(*cell).or_insert_with(|| {
                rows.push(*cell);
                rows.len() as u32 - 1
            })
        };
        let local = cells.iter().map(place).collect();
        (rows, local)
    }

    pub(crate) fn gathered(&self, rows: &[u32]) -> Vec<f32> {
        rows.iter().flat_map(|row| self.values[self.cells(*row)].iter().copied()).collect()
    }

    fn cells(&self, row: u32) -> std::ops::Range<usize> {
        row as usize * self.width..(row as usize + 1) * self.width
    }

    /// One step of some rows.
    pub(crate) fn step(&mut self, rows: &[u32], grads: &[f32], pace: Pace, step: i32) {
        for (row, grads) in rows.iter().zip(grads.chunks_exact(self.width)) {
            self.catch_up(*row, pace.keep, step - 1);
            let cells = self.cells(*row);
            let State { first, second, average } = &mut self.state;
            let moments = first[cells.clone()].iter_mut().zip(&mut second[cells.clone()]);
            let kept = self.values[cells.clone()].iter_mut().zip(&mut average[cells]);
            for (((value, average), grad), (first, second)) in kept.zip(grads).zip(moments) {
                *value = pace.moved(*value, *grad, first, second);
                *average += (1.0 - pace.keep) * (*value - *average);
            }
            self.last[*row as usize] = step;
        }
    }

    /// A row that has not moved since `last` had a constant value since: its average nears it by a power.
    fn catch_up(&mut self, row: u32, keep: f32, step: i32) {
        let power = keep.powi((step - self.last[row as usize]).max(0));
        let cells = self.cells(row);
        for (average, value) in self.state.average[cells.clone()].iter_mut().zip(&self.values[cells]) {
            *average = value + (*average - value) * power;
        }
        self.last[row as usize] = step;
    }

    /// The averages of all rows.
    pub(crate) fn averages(&mut self, keep: f32, step: i32) -> Vec<f32> {
        for row in 0..self.last.len() {
            self.catch_up(row as u32, keep, step);
        }
        self.state.average.clone()
    }
}
