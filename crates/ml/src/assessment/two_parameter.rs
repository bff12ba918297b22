//! The two-parameter logistic model and ability estimation under it.
//!
//! A learner of ability θ answers an item of discrimination *a* and difficulty *b* rightly with probability
//! P(θ) = 1 / (1 + exp(−a (θ − b))) (Birnbaum, 1968). The item's Fisher information about θ is a² P (1 − P).
//!
//! Ability is the expected a posteriori estimate (Bock & Mislevy, 1982): the mean of prior × likelihood over a fixed
//! grid of 61 nodes from −5 to 5, with the posterior's standard deviation as standard error. It is finite for every
//! pattern of answers, all right and all wrong included; the price is a pull towards the mean of the prior, the
//! stronger the fewer the answers.
//!
//! The model has no guessing. If learners who do not know took one of four choices at random, against item parameters
//! that do not allow for it, the level test would place them half a logit too high on average, and beginners (θ = −2.5)
//! by about one (simulated in `tests/adaptive_test_simulation.rs`). Parameters that are re-estimated from real answers
//! absorb part of that; a three-parameter model would be the remedy if they do not.

use baeum_domain::assessment::testing::Ability;

/// An item, as far as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemParameters {
    /// Discrimination *a*.
    pub discrimination: f64,
    /// Difficulty *b* in logits.
    pub difficulty: f64,
}

/// A Gaussian belief about ability before any answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its mean in logits.
    pub mean: f64,
    /// Its standard deviation in logits.
    pub standard_deviation: f64,
}

impl Prior {
    /// The population of learners. It is wider than a standard normal because the bank spans A1 to C1.
    pub const POPULATION: Self = Self { mean: 0.0, standard_deviation: 1.3 };
}

const NODES: usize = 61;
const LOWEST_NODE: f64 = -5.0;
const NODES_PER_LOGIT: f64 = 6.0;

impl ItemParameters {
    /// The probability of a right answer at ability `theta`.
    pub fn probability(self, theta: f64) -> f64 {
        sigmoid(self.discrimination * (theta - self.difficulty))
    }

    /// The Fisher information at ability `theta`, per squared logit.
    pub fn information(self, theta: f64) -> f64 {
        let p = self.probability(theta);
        self.discrimination * self.discrimination * p * (1.0 - p)
    }

    /// The logarithm of the probability of this answer at ability `theta`. It does not underflow.
    pub fn log_likelihood(self, correct: bool, theta: f64) -> f64 {
        let logit = self.discrimination * (theta - self.difficulty);
        log_sigmoid(if correct { logit } else { -logit })
    }
}

/// The logarithm of the probability of all `answers` at ability `theta`.
pub fn log_likelihood(answers: &[(ItemParameters, bool)], theta: f64) -> f64 {
    answers.iter().map(|(item, correct)| item.log_likelihood(*correct, theta)).sum()
}

/// The expected a posteriori ability after `answers`, with the posterior's standard deviation as standard error.
pub fn expected_a_posteriori(prior: Prior, answers: &[(ItemParameters, bool)]) -> Ability {
    let mut nodes = [(0.0, 0.0); NODES];
    let mut theta_from_lowest = 0.0;
    for node in &mut nodes {
        let theta = LOWEST_NODE + theta_from_lowest / NODES_PER_LOGIT;
        let z = (theta - prior.mean) / prior.standard_deviation;
        *node = (theta, log_likelihood(answers, theta) - 0.5 * z * z);
        theta_from_lowest += 1.0;
    }
    let highest = nodes.iter().map(|(_, log_weight)| *log_weight).fold(f64::NEG_INFINITY, f64::max);
    for (_, weight) in &mut nodes {
        *weight = libm::exp(*weight - highest);
    }
    let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
    let theta = nodes.iter().map(|(theta, weight)| theta * weight).sum::<f64>() / total;
    let variance = nodes.iter().map(|(node, weight)| (node - theta) * (node - theta) * weight).sum::<f64>() / total;
    Ability { theta, standard_error: libm::sqrt(variance) }
}

/// 1 / (1 + exp(−x)), without overflow.
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

fn log_sigmoid(x: f64) -> f64 {
    if x >= 0.0 { -libm::log1p(libm::exp(-x)) } else { x - libm::log1p(libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ITEM: ItemParameters = ItemParameters { discrimination: 1.5, difficulty: 0.5 };

    #[test]
    fn an_item_at_the_ability_is_answered_rightly_half_the_time_and_says_most() {
        assert!((ITEM.probability(0.5) - 0.5).abs() < 1e-15);
        assert!((ITEM.information(0.5) - 1.5 * 1.5 / 4.0).abs() < 1e-15);
        assert!(ITEM.information(0.5) > ITEM.information(0.7));
        assert!(ITEM.information(0.5) > ITEM.information(0.3));
    }

    #[test]
    fn information_is_the_curvature_of_the_log_likelihood() {
        let (theta, h) = (0.9, 1e-4);
        let at = |theta| ITEM.log_likelihood(true, theta);
        let curvature = (at(theta + h) - 2.0 * at(theta) + at(theta - h)) / (h * h);
        assert!((ITEM.information(theta) + curvature).abs() < 1e-5);
    }

    #[test]
    fn without_answers_the_prior_is_returned() {
        let ability = expected_a_posteriori(Prior::POPULATION, &[]);
        assert!(ability.theta.abs() < 1e-12);
        assert!((ability.standard_error - 1.3).abs() < 0.01, "{}", ability.standard_error);
    }

    #[test]
    fn right_answers_raise_and_wrong_answers_lower_the_ability() {
        let right = expected_a_posteriori(Prior::POPULATION, &[(ITEM, true)]);
        let wrong = expected_a_posteriori(Prior::POPULATION, &[(ITEM, false)]);
        assert!(right.theta > 0.0 && wrong.theta < 0.0);
        assert!(right.standard_error < 1.3 && wrong.standard_error < 1.3);
    }

    #[test]
    fn the_grid_agrees_with_one_ten_times_as_fine() {
        let answers: Vec<_> = (0..20_u8)
            .map(|at| {
                let item = ItemParameters { discrimination: 2.0, difficulty: f64::from(at % 7) / 2.0 - 1.5 };
                (item, at % 3 != 0)
            })
            .collect();
        let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
        for step in 0..=600_u16 {
            let theta = f64::from(step) / 60.0 - 5.0;
            let weight = libm::exp(log_likelihood(&answers, theta) - 0.5 * (theta / 1.3) * (theta / 1.3));
            total += weight;
            first += weight * theta;
            second += weight * theta * theta;
        }
        let (mean, sd) = (first / total, libm::sqrt(second / total - (first / total) * (first / total)));
        let ability = expected_a_posteriori(Prior::POPULATION, &answers);
        assert!((ability.theta - mean).abs() < 1e-6 && (ability.standard_error - sd).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn ability_is_finite_and_on_the_grid_for_any_answers(
            answers in prop::collection::vec((0.2..3.0, -4.0..4.0, any::<bool>()), 0..60),
        ) {
            let answers: Vec<_> = answers
                .into_iter()
                .map(|(discrimination, difficulty, correct)| (ItemParameters { discrimination, difficulty }, correct))
                .collect();
            let ability = expected_a_posteriori(Prior::POPULATION, &answers);
            prop_assert!((-5.0..=5.0).contains(&ability.theta));
            prop_assert!(ability.standard_error.is_finite() && ability.standard_error >= 0.0);
        }

        #[test]
        fn probabilities_stay_between_0_and_1_at_any_ability(theta in -1e6..1e6) {
            prop_assert!((0.0..=1.0).contains(&ITEM.probability(theta)));
            prop_assert!(ITEM.log_likelihood(true, theta) <= 0.0 && ITEM.log_likelihood(false, theta).is_finite());
        }
    }
}
