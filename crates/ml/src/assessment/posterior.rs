//! What is known of an ability after some answers.
//!
//! The posterior ∝ prior × likelihood stands on a fixed grid of 121 nodes from −5 to 5. Its mean is the expected a
//! posteriori estimate of ability and its standard deviation the standard error (Bock & Mislevy, 1982). Both are finite
//! for every pattern of answers, all right and all wrong included; the price is a pull towards the mean of the prior, the
//! stronger the fewer the answers.
//!
//! Answers are taken in one after the other, and sums have one order: the same answers in the same order give the same
//! bits.

use baeum_domain::assessment::testing::Ability;

use super::irt::Curve;

/// A Gaussian belief about ability before any answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its mean in logits.
    pub mean: f64,
    /// Its standard deviation in logits, above 0.
    pub standard_deviation: f64,
}

impl Prior {
    /// The population of learners. It is wider than a standard normal because the bank spans A1 to C1.
    pub const POPULATION: Self = Self { mean: 0.0, standard_deviation: 1.3 };
}

const NODES: usize = 121;
const LOWEST_NODE: f64 = -5.0;
const NODES_PER_LOGIT: f64 = 12.0;

fn nodes() -> [f64; NODES] {
    let mut number = -1.0;
    [0.0; NODES].map(|_| {
        number += 1.0;
        LOWEST_NODE + number / NODES_PER_LOGIT
    })
}

/// The logarithms of the probabilities of both answers to an item, at every node.
#[derive(Clone, Debug)]
pub struct Likelihood {
    right: Box<[f64; NODES]>,
    wrong: Box<[f64; NODES]>,
}

impl Likelihood {
    /// Of the item with this curve.
    pub fn of(curve: Curve) -> Self {
        let of = |right: bool| Box::new(nodes().map(|theta| curve.log_likelihood(right, theta)));
        Self { right: of(true), wrong: of(false) }
    }
}

/// The distribution of an ability given answers.
#[derive(Clone, Debug)]
pub struct Posterior {
    log_weights: [f64; NODES],
}

impl Posterior {
    /// Before any answer.
    pub fn new(prior: Prior) -> Self {
        let log_weight = |theta: f64| {
            let z = (theta - prior.mean) / prior.standard_deviation;
            -0.5 * z * z
        };
        Self { log_weights: nodes().map(log_weight) }
    }

    /// Takes an answer in.
    pub fn answer(&mut self, likelihood: &Likelihood, right: bool) {
        let of_answer = if right { &likelihood.right } else { &likelihood.wrong };
        for (log_weight, log_likelihood) in self.log_weights.iter_mut().zip(of_answer.iter()) {
            *log_weight += log_likelihood;
        }
    }

    /// Mean and standard deviation.
    pub fn ability(&self) -> Ability {
        let (nodes, weights) = (nodes(), self.weights());
        let theta = nodes.iter().zip(&weights).map(|(node, weight)| node * weight).sum::<f64>();
        let square = |(node, weight): (&f64, &f64)| (node - theta) * (node - theta) * weight;
        Ability { theta, standard_error: libm::sqrt(nodes.iter().zip(&weights).map(square).sum()) }
    }

    /// The probability that the ability is at or above a cut that is itself known only as N(`cut`, `standard_error`).
    /// The error must be no less than half the distance of two nodes (1/24): the sum over nodes is then as good as the
    /// integral.
    pub fn probability_above(&self, cut: f64, standard_error: f64) -> f64 {
        let above = |node: f64| 0.5 * libm::erfc((cut - node) / (standard_error * std::f64::consts::SQRT_2));
        nodes().iter().zip(&self.weights()).map(|(node, weight)| above(*node) * weight).sum()
    }

    fn weights(&self) -> [f64; NODES] {
        let highest = self.log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = self.log_weights.map(|log_weight| libm::exp(log_weight - highest));
        let total: f64 = weights.iter().sum();
        weights.map(|weight| weight / total)
    }
}

/// The expected a posteriori ability after `answers`, with the posterior's standard deviation as standard error.
pub fn expected_a_posteriori(prior: Prior, answers: &[(Curve, bool)]) -> Ability {
    let mut posterior = Posterior::new(prior);
    for (curve, right) in answers {
        posterior.answer(&Likelihood::of(*curve), *right);
    }
    posterior.ability()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ITEM: Curve = Curve { a: 1.5, b: 0.5, c: 0.25 };

    fn posterior(answers: &[(Curve, bool)]) -> Posterior {
        let mut posterior = Posterior::new(Prior::POPULATION);
        for (curve, right) in answers {
            posterior.answer(&Likelihood::of(*curve), *right);
        }
        posterior
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
    fn what_may_be_guessed_raises_less_than_what_must_be_known() {
        let known = expected_a_posteriori(Prior::POPULATION, &[(Curve { c: 0.0, ..ITEM }, true)]);
        assert!(expected_a_posteriori(Prior::POPULATION, &[(ITEM, true)]).theta < known.theta);
    }

    fn twenty() -> Vec<(Curve, bool)> {
        let answer = |at: u8| (Curve { a: 2.0, b: f64::from(at % 7) / 2.0 - 1.5, c: 0.2 }, at % 7 < 4 || at == 6);
        (0..20).map(answer).collect()
    }

    #[test]
    fn the_grid_agrees_with_one_ten_times_as_fine() {
        let answers = twenty();
        let (mut total, mut first, mut second, mut above) = (0.0, 0.0, 0.0, 0.0);
        for step in 0..=1_200_u16 {
            let theta = f64::from(step) / 120.0 - 5.0;
            let likelihood: f64 = answers.iter().map(|(curve, right)| curve.log_likelihood(*right, theta)).sum();
            let weight = libm::exp(likelihood - 0.5 * (theta / 1.3) * (theta / 1.3));
            total += weight;
            first += weight * theta;
            second += weight * theta * theta;
            above += weight * 0.5 * libm::erfc((0.35 - theta) / (0.09 * std::f64::consts::SQRT_2));
        }
        let (mean, sd) = (first / total, libm::sqrt(second / total - (first / total) * (first / total)));
        let posterior = posterior(&answers);
        let ability = posterior.ability();
        assert!((ability.theta - mean).abs() < 1e-6 && (ability.standard_error - sd).abs() < 1e-6);
        assert!((posterior.probability_above(0.35, 0.09) - above / total).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn ability_is_finite_and_on_the_grid_for_any_answers(
            answers in prop::collection::vec((0.2..3.0, -4.0..4.0, 0.0..0.5, any::<bool>()), 0..60),
        ) {
            let answers: Vec<_> = answers.into_iter().map(|(a, b, c, right)| (Curve { a, b, c }, right)).collect();
            let posterior = posterior(&answers);
            let ability = posterior.ability();
            prop_assert!((-5.0..=5.0).contains(&ability.theta));
            prop_assert!(ability.standard_error.is_finite() && ability.standard_error >= 0.0);
            let mut before = 1.0 + 1e-12;
            for cut in [-9.0, -1.6, -0.6, 0.35, 1.35, 9.0] {
                let above = posterior.probability_above(cut, 0.09);
                prop_assert!((0.0..=before).contains(&above));
                before = above;
            }
        }
    }
}
