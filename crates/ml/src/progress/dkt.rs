//! Deep knowledge tracing (Piech et al., 2015) with a gated recurrent unit (Cho et al., 2014): from all answers so far to
//! the probability of a right answer in every skill.
//!
//! It is the yardstick for [`bkt`](super::bkt), and no part of the platform computes with it. Weights are made by the
//! example `train-knowledge-tracing`.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, ops::sigmoid};

/// How large the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many skills there are.
    pub skills: usize,
    /// Width of the state.
    pub hidden: usize,
}

/// Name, dimensions and half-width of the uniform start of every tensor, in one order.
pub fn tensors(shape: Shape) -> Vec<(&'static str, Vec<usize>, f64)> {
    let Shape { skills, hidden } = shape;
    let width = f64::sqrt(1.0 / u32::try_from(hidden).map_or(1.0, f64::from));
    vec![
        ("input", vec![2 * skills, 3 * hidden], width),
        ("recurrent.weight", vec![hidden, 3 * hidden], width),
        ("recurrent.bias", vec![3 * hidden], width),
        ("output.weight", vec![skills, hidden], width),
        ("output.bias", vec![skills], width),
    ]
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The skill, below [`Shape::skills`].
    pub skill: u32,
    /// Whether it was right.
    pub right: bool,
}

/// Sequences of answers side by side, padded to the longest. What is foretold are all answers but the first of each.
#[derive(Debug)]
pub struct Batch {
    /// For each step the rows of the input table.
    inputs: Vec<Tensor>,
    /// The skills that are asked next, step by step.
    asked: Tensor,
    /// Whether those answers were right, 1 or 0.
    right: Tensor,
    /// 1 where there is such an answer.
    mask: Tensor,
    learners: usize,
    answers: usize,
}

impl Batch {
    /// Of sequences of two answers and more; `None` where there is nothing to foretell.
    pub fn new(sequences: &[&[Answer]]) -> Result<Option<Self>> {
        let longest = sequences.iter().map(|answers| answers.len()).max().unwrap_or(0);
        if longest < 2 {
            return Ok(None);
        }
        let cpu = &Device::Cpu;
        let (steps, learners) = (longest - 1, sequences.len());
        let mut inputs = Vec::with_capacity(steps);
        let (mut asked, mut right, mut mask) = (vec![], vec![], vec![]);
        for step in 0..steps {
            let row = |answers: &&[Answer]| answers.get(step).map_or(0, |it| 2 * it.skill + u32::from(it.right));
            inputs.push(Tensor::from_vec(sequences.iter().map(row).collect::<Vec<_>>(), learners, cpu)?);
            for answers in sequences {
                let next = answers.get(step + 1);
                asked.push(next.map_or(0, |it| it.skill));
                right.push(next.map_or(0.0, |it| f32::from(u8::from(it.right))));
                mask.push(if next.is_some() { 1_f32 } else { 0.0 });
            }
        }
        let (cells, answers) = (steps * learners, sequences.iter().map(|it| it.len().saturating_sub(1)).sum());
        Ok(Some(Self {
            inputs,
            asked: Tensor::from_vec(asked, cells, cpu)?,
            right: Tensor::from_vec(right, cells, cpu)?,
            mask: Tensor::from_vec(mask, cells, cpu)?,
            learners,
            answers,
        }))
    }

    /// How many answers are foretold.
    pub fn answers(&self) -> usize {
        self.answers
    }
}

/// The network. Holds tensors only: it can be shared between threads.
#[derive(Debug)]
pub struct Network {
    hidden: usize,
    input: Tensor,
    recurrent: (Tensor, Tensor),
    output: (Tensor, Tensor),
}

/// What is done to the state before the output while training; nothing at inference.
pub type Noise<'a> = &'a mut dyn FnMut(Tensor) -> Result<Tensor>;

impl Network {
    /// Takes its tensors by the names and dimensions of [`tensors`].
    pub fn new(shape: Shape, weights: &VarBuilder<'_>) -> Result<Self> {
        let all = tensors(shape);
        let get = |name: &str| {
            let dims = all.iter().find(|(known, ..)| *known == name).map(|(_, dims, _)| dims.clone());
            weights.get(dims.unwrap_or_default(), name)?.to_dtype(DType::F32)
        };
        Ok(Self {
            hidden: shape.hidden,
            input: get("input")?,
            recurrent: (get("recurrent.weight")?, get("recurrent.bias")?),
            output: (get("output.weight")?, get("output.bias")?),
        })
    }

    /// The logits of a right answer for everything that the batch foretells, step by step, padding included.
    fn logits(&self, batch: &Batch, noise: Noise<'_>) -> Result<Tensor> {
        let width = self.hidden;
        let mut state = Tensor::zeros((batch.learners, width), DType::F32, &Device::Cpu)?;
        let mut states = Vec::with_capacity(batch.inputs.len());
        for rows in &batch.inputs {
            let input = self.input.index_select(rows, 0)?;
            let again = state.matmul(&self.recurrent.0)?.broadcast_add(&self.recurrent.1)?;
            let gates = sigmoid(&(input.narrow(1, 0, 2 * width)? + again.narrow(1, 0, 2 * width)?)?)?;
            let (reset, keep) = (gates.narrow(1, 0, width)?, gates.narrow(1, width, width)?);
            let heard = (reset * again.narrow(1, 2 * width, width)?)?;
            let new = (input.narrow(1, 2 * width, width)? + heard)?.tanh()?;
            // keep · state + (1 − keep) · new
            state = (&new + (keep * (&state - &new)?)?)?;
            states.push(state.clone());
        }
        let states = noise(Tensor::cat(&states, 0)?)?;
        let asked = self.output.0.index_select(&batch.asked, 0)?;
        (states * asked)?.sum(1)? + self.output.1.index_select(&batch.asked, 0)?
    }

    /// The summed loss (negative log likelihood, in nats) of the answers that the batch foretells.
    pub fn loss(&self, batch: &Batch, noise: Noise<'_>) -> Result<Tensor> {
        let logits = self.logits(batch, noise)?;
        // −log σ(z) of a right, −log σ(−z) of a wrong answer: max(z, 0) − z·right + log(1 + e^−|z|)
        let (above, small) = (logits.relu()?, (logits.abs()?.neg()?.exp()? + 1.0)?.log()?);
        let each = ((above - (&logits * &batch.right)?)? + small)?;
        (each * &batch.mask)?.sum_all()
    }

    /// Probability and outcome of every answer that the batch foretells, step by step.
    pub fn foretell(&self, batch: &Batch) -> Result<Vec<(f64, bool)>> {
        let probabilities = sigmoid(&self.logits(batch, &mut Ok)?)?.to_vec1::<f32>()?;
        let (right, mask) = (batch.right.to_vec1::<f32>()?, batch.mask.to_vec1::<f32>()?);
        let cells = probabilities.into_iter().zip(right).zip(mask).filter(|(_, mask)| *mask > 0.5);
        Ok(cells.map(|((probability, right), _)| (f64::from(probability), right > 0.5)).collect())
    }
}
