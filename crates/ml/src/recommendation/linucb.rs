//! A linear model of rewards with its uncertainty (LinUCB: Li, Chu, Langford & Schapire, "A contextual-bandit approach to
//! personalized news article recommendation", WWW 2010; one model for all contents, whose features tell them apart).
//!
//! With features x and rewards r, A = λ I + Σ x xᵀ and b = λ w₀ + Σ r x. The weights are A⁻¹ b; √(xᵀ A⁻¹ x) says how
//! little is known in the direction of x. w₀ are the weights that experts set: with no rewards they are the weights.

use serde::{Deserialize, Serialize};

use crate::assessment::irt::linear::{dot, inverse};

/// What rewards have taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// A, by rows.
    pub precision: Vec<f64>,
    /// b.
    pub moment: Vec<f64>,
    /// How many rewards.
    pub rewards: u64,
}

/// What is believed of the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct LinUcb {
    evidence: Evidence,
    weights: Vec<f64>,
    covariance: Vec<f64>,
}

impl LinUcb {
    /// What is believed before any reward: these weights, held with this precision (above 0).
    pub fn prior(weights: &[f64], precision: f64) -> Self {
        let size = weights.len();
        let mut matrix = vec![0.0; size * size];
        for at in 0..size {
            matrix[at * size + at] = precision;
        }
        let moment = weights.iter().map(|weight| weight * precision).collect();
        Self::of(Evidence { precision: matrix, moment, rewards: 0 }).expect("a diagonal above 0 has an inverse")
    }

    /// What follows from evidence. `None` where its numbers do not fit together.
    pub fn of(evidence: Evidence) -> Option<Self> {
        let size = evidence.moment.len();
        let sound = evidence.precision.len() == size * size
            && evidence.precision.iter().chain(&evidence.moment).all(|value| value.is_finite());
        if !sound {
            return None;
        }
        let covariance = inverse(evidence.precision.clone(), size)?;
        let weights = covariance.chunks_exact(size).map(|row| dot(row, &evidence.moment)).collect();
        Some(Self { evidence, weights, covariance })
    }

    /// Takes rewards in: the features of what was chosen, and what came of it.
    #[must_use]
    pub fn after<'a>(&self, rewards: impl IntoIterator<Item = (&'a [f64], f64)>) -> Self {
        let mut evidence = self.evidence.clone();
        let size = self.weights.len();
        for (features, reward) in rewards {
            for row in 0..size {
                for column in 0..size {
                    evidence.precision[row * size + column] += features[row] * features[column];
                }
                evidence.moment[row] += reward * features[row];
            }
            evidence.rewards += 1;
        }
        Self::of(evidence).unwrap_or_else(|| self.clone())
    }

    /// The reward to be expected.
    pub fn expected(&self, features: &[f64]) -> f64 {
        dot(&self.weights, features)
    }

    /// How little is known of it: the standard deviation if rewards varied by 1.
    pub fn width(&self, features: &[f64]) -> f64 {
        let size = self.weights.len();
        let spread: f64 =
            features.iter().zip(self.covariance.chunks_exact(size)).map(|(x, row)| x * dot(row, features)).sum();
        libm::sqrt(spread.max(0.0))
    }

    /// The weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What it rests on.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rewards_the_experts_weights_hold() {
        let model = LinUcb::prior(&[0.1, 0.4, 0.5], 3.0);
        assert!((model.expected(&[1.0, 1.0, 0.5]) - 0.75).abs() < 1e-12);
        assert!((model.width(&[1.0, 0.0, 0.0]) - libm::sqrt(1.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn rewards_move_the_weights_to_the_truth_and_narrow_only_what_was_tried() {
        let rows: Vec<_> = (0..2_000_u32).map(|at| [1.0, f64::from(at % 7) / 7.0, 0.0]).collect();
        let rewards = rows.iter().map(|row| (&row[..], 0.2 + 0.5 * row[1]));
        let model = LinUcb::prior(&[0.0, 0.0, 0.3], 2.0).after(rewards);
        assert!((model.expected(&[1.0, 1.0, 0.0]) - 0.7).abs() < 0.01, "{:?}", model.weights());
        assert!(model.width(&[1.0, 0.5, 0.0]) < 0.05 && model.width(&[0.0, 0.0, 1.0]) > 0.7);
        assert_eq!(model.evidence().rewards, 2_000);
    }

    #[test]
    fn evidence_that_does_not_fit_together_is_refused() {
        let evidence = Evidence { precision: vec![1.0, 0.0, 0.0], moment: vec![0.0, 0.0], rewards: 0 };
        assert_eq!(LinUcb::of(evidence), None);
        let evidence = Evidence { precision: vec![f64::NAN], moment: vec![0.0], rewards: 0 };
        assert_eq!(LinUcb::of(evidence), None);
    }
}
