//! Flat start: which frame belongs to which sound, before there is any model that knows.
//!
//! One Gaussian a class over cepstra and their slopes, re-estimated a few times by forward and backward passes over the
//! graph of each text. It sees no context, so it cannot learn a shifted alignment; the network begins with it.

use baeum_ml::learning::pronunciation::features::{BANDS, FRAME, Frames};
use baeum_ml::learning::pronunciation::goodness::log_add;
use baeum_ml::learning::pronunciation::graph::{CLASSES, Graph, PAUSE};

use crate::corpus::Utterance;

const CEPSTRA: usize = 13;
const VALUES: usize = 2 * CEPSTRA;
const ROUNDS: usize = 10;
/// How much less likely a loud frame is a pause, or a quiet one a sound, before anything is known.
const LOUDNESS: f32 = 3.0;

/// Probability of each class in each frame, given the text: `CLASSES` a frame. `None` where the text does not fit.
pub(crate) fn occupancy(graph: &Graph, scores: &[f32]) -> Option<Vec<f32>> {
    let (frames, states) = (scores.len() / CLASSES, graph.states.len());
    let score = |time: usize, at: usize| scores[time * CLASSES + usize::from(graph.states[at].class).min(CLASSES - 1)];
    let none = f32::NEG_INFINITY;
    let mut forward = vec![none; frames * states];
    for time in 0..frames {
        for (at, state) in graph.states.iter().enumerate() {
            let reached = if time == 0 {
                state.begin.map_or(none, |cost| -cost)
            } else {
                let past = &forward[(time - 1) * states..time * states];
                state.before.iter().fold(past[at], |sum, (before, cost)| log_add(sum, past[*before] - cost))
            };
            forward[time * states + at] = reached + score(time, at);
        }
    }
    let mut backward: Vec<f32> = graph.states.iter().map(|state| state.end.map_or(none, |cost| -cost)).collect();
    let last = frames.checked_sub(1)? * states;
    let total = backward.iter().zip(&forward[last..]).map(|(b, f)| b + f).fold(none, log_add);
    if !total.is_finite() {
        return None;
    }
    let mut found = vec![0f32; frames * CLASSES];
    for time in (0..frames).rev() {
        let mut past = vec![none; states];
        for (at, state) in graph.states.iter().enumerate() {
            let share = (forward[time * states + at] + backward[at] - total).exp();
            found[time * CLASSES + usize::from(state.class).min(CLASSES - 1)] += share;
            let onward = backward[at] + score(time, at);
            past[at] = log_add(past[at], onward);
            for (before, cost) in &state.before {
                past[*before] = log_add(past[*before], onward - cost);
            }
        }
        backward = past;
    }
    Some(found)
}

/// One Gaussian a class.
pub(crate) struct Gaussians {
    mean: Vec<[f32; VALUES]>,
    variance: Vec<[f32; VALUES]>,
}

impl Gaussians {
    /// Estimates them from nothing but the texts.
    pub(crate) fn fit(utterances: &[Utterance]) -> Self {
        let features: Vec<Vec<[f32; VALUES]>> = utterances.iter().map(|u| cepstra(&u.frames[0])).collect();
        let graphs: Vec<Graph> = utterances.iter().map(|u| Graph::new(&u.words, false)).collect();
        let mut model: Option<Self> = None;
        for _ in 0..ROUNDS {
            let mut weight = vec![1e-3f64; CLASSES];
            let (mut sum, mut square) = (vec![[0f64; VALUES]; CLASSES], vec![[0f64; VALUES]; CLASSES]);
            for ((utterance, rows), graph) in utterances.iter().zip(&features).zip(&graphs) {
                let scores = model.as_ref().map_or_else(|| loudness(&utterance.frames[0]), |m| m.scores_of(rows));
                let Some(shares) = occupancy(graph, &scores) else { continue };
                for (row, shares) in rows.iter().zip(shares.chunks_exact(CLASSES)) {
                    for (class, share) in shares.iter().enumerate().filter(|(_, share)| **share > 1e-4) {
                        let share = f64::from(*share);
                        weight[class] += share;
                        for (at, x) in row.iter().enumerate() {
                            sum[class][at] += share * f64::from(*x);
                            square[class][at] += share * f64::from(*x) * f64::from(*x);
                        }
                    }
                }
            }
            let mut next = Self { mean: vec![[0.0; VALUES]; CLASSES], variance: vec![[1.0; VALUES]; CLASSES] };
            for class in 0..CLASSES {
                for at in 0..VALUES {
                    let mean = sum[class][at] / weight[class];
                    next.mean[class][at] = mean as f32;
                    next.variance[class][at] = (square[class][at] / weight[class] - mean * mean).max(0.02) as f32;
                }
            }
            model = Some(next);
        }
        model.unwrap_or(Self { mean: vec![[0.0; VALUES]; CLASSES], variance: vec![[1.0; VALUES]; CLASSES] })
    }

    /// Logarithms of the likelihoods of the classes.
    pub(crate) fn scores(&self, frames: &Frames) -> Vec<f32> {
        self.scores_of(&cepstra(frames))
    }

    fn scores_of(&self, rows: &[[f32; VALUES]]) -> Vec<f32> {
        let base: Vec<f32> = self.variance.iter().map(|v| -0.5 * v.iter().map(|v| v.ln()).sum::<f32>()).collect();
        let mut all = Vec::with_capacity(rows.len() * CLASSES);
        for row in rows {
            for ((mean, variance), base) in self.mean.iter().zip(&self.variance).zip(&base) {
                let far: f32 = row.iter().zip(mean).zip(variance).map(|((x, m), v)| (x - m) * (x - m) / v).sum();
                all.push(base - 0.5 * far);
            }
        }
        all
    }
}

fn loudness(frames: &Frames) -> Vec<f32> {
    let score = |class: u8, loud: bool| if (class == PAUSE) == loud { -LOUDNESS } else { 0.0 };
    frames.loud.iter().flat_map(|loud| (0..=PAUSE).map(move |class| score(class, *loud))).collect()
}

fn cepstra(frames: &Frames) -> Vec<[f32; VALUES]> {
    let turn = std::f32::consts::PI / BANDS as f32;
    let still: Vec<Vec<f32>> = frames
        .values
        .chunks_exact(FRAME)
        .map(|row| {
            let band = |at: usize| 0.5 * (row[at] + row[at + BANDS]);
            let one =
                |k: usize| (0..BANDS).map(|at| band(at) * (turn * k as f32 * (at as f32 + 0.5)).cos()).sum::<f32>();
            (0..CEPSTRA).map(|k| one(k) / (BANDS as f32).sqrt()).collect()
        })
        .collect();
    let slope = |at: usize, k: usize| {
        let (after, before) = ((at + 2).min(still.len() - 1), at.saturating_sub(2));
        (still[after][k] - still[before][k]) / 2.0
    };
    (0..still.len())
        .map(|at| std::array::from_fn(|k| if k < CEPSTRA { still[at][k] } else { slope(at, k - CEPSTRA) }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_frame_sum_to_one_and_follow_the_text() {
        let graph = Graph::new(&[vec![vec![1, 2]]], false);
        let found = occupancy(&graph, &[0.0; 6 * CLASSES]).expect("it fits");
        for row in found.chunks_exact(CLASSES) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        assert!(found[1] > found[2], "the first frame is rather of the first sound");
        assert!(found[5 * CLASSES + 2] > found[5 * CLASSES + 1]);
        assert_eq!(occupancy(&graph, &[0.0; CLASSES]), None);
    }
}
