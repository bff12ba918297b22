//! Online ability by assumed-density filtering.
//!
//! What is believed of an ability is a density by its mean m, standard deviation s, skewness γ and excess kurtosis κ, the
//! Gram–Charlier series of type A to its fourth term with what would be below 0 cut off: with z = (θ − m) / s,
//! φ(z) max(0, 1 + γ (z³ − 3z) / 6 + κ (z⁴ − 6z² + 3) / 24) (Kendall & Stuart, 1977, 6.17). One answer *u* to an item of
//! discrimination *a*, guessing *c*, and a difficulty that is itself known only as N(b, e²) has the likelihood
//! L(θ) = ∫ P(u | a, β, c, θ) N(β; b, e²) dβ. The posterior, the density times L, is replaced by the density of the same four
//! moments (assumed-density filtering: Maybeck, 1982; with two moments Opper, 1998, and Weng & Lin, 2011, for ratings). Two
//! moments are not enough where somebody may guess: likelihoods are skewed then, and what each step leaves out adds up.
//! Between answers an ability wanders: its variance grows by [`WANDER`] a day, up to the prior's (a random walk, as in
//! Kalman's filter), and its third and fourth cumulants stay.
//!
//! The integral over θ is a sum over equally spaced nodes from −6 to 6 standard deviations; that over β is Gauss–Hermite
//! with seven nodes. Sums have one order and exponentials are `libm`'s: the same answers in the same order give the same
//! bits.

use baeum_domain::assessment::calibration::{AbilityBelief, AbilityFilter, ItemDemand};

use super::{calibration::RULE, logistic::sigmoid, posterior::Prior};

/// By how much the variance of an ability grows in a day, in squared logits: after a quarter without an answer it may
/// have moved by 0.3. Chosen, not measured.
pub const WANDER: f64 = 0.001;
/// The nodes stand `1 / PER_DEVIATION` of a standard deviation apart.
const PER_DEVIATION: f64 = 3.0;
const REACH: i32 = 18;
const LEAST_ERROR: f64 = 1e-3;
/// Beyond these the series is no likeness of a density.
const MOST_SKEWED: f64 = 1.0;
const FLATTEST: f64 = -1.0;
const MOST_PEAKED: f64 = 2.0;

/// Re-estimates abilities by assumed-density filtering.
#[derive(Clone, Copy, Debug)]
pub struct MomentFilter {
    prior: Prior,
}

impl MomentFilter {
    /// Beginning from `prior`.
    pub fn new(prior: Prior) -> Self {
        Self { prior }
    }
}

/// Beginning from the population of learners.
impl Default for MomentFilter {
    fn default() -> Self {
        Self::new(Prior::POPULATION)
    }
}

impl AbilityFilter for MomentFilter {
    fn prior(&self) -> AbilityBelief {
        AbilityBelief::gaussian(self.prior.mean, self.prior.standard_deviation)
    }

    fn drift(&self, belief: AbilityBelief, days: f64) -> AbilityBelief {
        let variance = belief.standard_error * belief.standard_error;
        // Where less is known than before any answer, nothing is taken away.
        let most = (self.prior.standard_deviation * self.prior.standard_deviation).max(variance);
        let standard_error = libm::sqrt((variance + WANDER * days.max(0.0)).min(most));
        let shrunk = belief.standard_error / standard_error;
        AbilityBelief {
            theta: belief.theta,
            standard_error,
            skewness: belief.skewness * shrunk * shrunk * shrunk,
            excess_kurtosis: belief.excess_kurtosis * shrunk * shrunk * shrunk * shrunk,
        }
    }

    fn update(&self, belief: AbilityBelief, item: ItemDemand, correct: bool) -> AbilityBelief {
        let AbilityBelief { theta, standard_error, .. } = belief;
        let mut before = Moments::default();
        let mut after = Moments::default();
        for step in -REACH..=REACH {
            let z = f64::from(step) / PER_DEVIATION;
            let density = density(belief, z);
            before.add(z, density);
            after.add(z, density * likelihood(item, theta + standard_error * z, correct));
        }
        let (Some((centre, ..)), Some((mean, variance, third, fourth))) = (before.central(), after.central()) else {
            return belief;
        };
        let deviation = libm::sqrt(variance);
        if deviation <= 0.0 {
            return belief;
        }
        AbilityBelief {
            // What is cut off moves the mean of the density a little; an answer is not to blame for that.
            theta: theta + standard_error * (mean - centre),
            standard_error: (standard_error * deviation).max(LEAST_ERROR),
            skewness: (third / (variance * deviation)).clamp(-MOST_SKEWED, MOST_SKEWED),
            excess_kurtosis: (fourth / (variance * variance) - 3.0).clamp(FLATTEST, MOST_PEAKED),
        }
    }
}

/// The density of a belief, not normed, at `z` standard deviations from its mean.
fn density(belief: AbilityBelief, z: f64) -> f64 {
    let square = z * z;
    let series = 1.0
        + belief.skewness / 6.0 * z * (square - 3.0)
        + belief.excess_kurtosis / 24.0 * (square * (square - 6.0) + 3.0);
    libm::exp(-0.5 * square) * series.max(0.0)
}

/// Sums of weighted powers.
#[derive(Default)]
struct Moments([f64; 5]);

impl Moments {
    fn add(&mut self, z: f64, weight: f64) {
        let mut power = weight;
        for sum in &mut self.0 {
            *sum += power;
            power *= z;
        }
    }

    /// Mean, variance, third and fourth central moment; `None` without weight.
    fn central(&self) -> Option<(f64, f64, f64, f64)> {
        let [total, first, second, third, fourth] = self.0;
        if total <= 0.0 {
            return None;
        }
        let (mean, second, third, fourth) = (first / total, second / total, third / total, fourth / total);
        let square = mean * mean;
        Some((
            mean,
            (second - square).max(0.0),
            third - 3.0 * mean * second + 2.0 * mean * square,
            fourth - 4.0 * mean * third + 6.0 * square * second - 3.0 * square * square,
        ))
    }
}

/// The probability of the answer at an ability, over the uncertainty of the difficulty.
fn likelihood(item: ItemDemand, theta: f64, correct: bool) -> f64 {
    let ItemDemand { discrimination, difficulty, difficulty_error, guessing } = item;
    let at = |difficulty: f64| {
        let z = discrimination * (theta - difficulty);
        if correct { guessing + (1.0 - guessing) * sigmoid(z) } else { (1.0 - guessing) * sigmoid(-z) }
    };
    if difficulty_error <= 0.0 {
        return at(difficulty);
    }
    RULE.iter().map(|(node, weight)| weight * at(difficulty + difficulty_error * node)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::{
        irt::{
            Curve, Model,
            simulate::{Design, rmse},
        },
        posterior::expected_a_posteriori,
        random::Rng,
    };
    use proptest::prelude::*;

    const STANDARD: Prior = Prior { mean: 0.0, standard_deviation: 1.0 };

    fn demand(curve: Curve, difficulty_error: f64) -> ItemDemand {
        let Curve { a, b, c } = curve;
        ItemDemand { discrimination: a, difficulty: b, difficulty_error, guessing: c }
    }

    /// Online and batch ability of every person of a simulation, and the truth.
    fn both(design: Design) -> Vec<[f64; 3]> {
        let simulation = design.simulate();
        let filter = MomentFilter::new(STANDARD);
        let person = |person: usize| {
            let answer = |(item, curve): (usize, &Curve)| Some((*curve, simulation.responses.answer(person, item)?));
            let answers: Vec<_> = simulation.curves.iter().enumerate().filter_map(answer).collect();
            let online = answers
                .iter()
                .fold(filter.prior(), |belief, (curve, right)| filter.update(belief, demand(*curve, 0.0), *right));
            [online.theta, expected_a_posteriori(STANDARD, &answers).theta, simulation.abilities[person]]
        };
        (0..design.persons).map(person).collect()
    }

    #[test]
    fn the_first_answer_is_exact() {
        let curve = Curve { a: 1.4, b: 0.3, c: 0.2 };
        let filter = MomentFilter::new(STANDARD);
        for right in [true, false] {
            let (online, batch) = (
                filter.update(filter.prior(), demand(curve, 0.0), right),
                expected_a_posteriori(STANDARD, &[(curve, right)]),
            );
            assert!((online.theta - batch.theta).abs() < 1e-4, "{online:?} {batch:?}");
            assert!((online.standard_error - batch.standard_error).abs() < 1e-4, "{online:?} {batch:?}");
        }
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "the figures of docs/models.md, shown with --nocapture")]
    fn online_abilities_are_those_of_the_batch() {
        for model in [Model::TwoPl, Model::ThreePl] {
            // A sitting has 24 answers that count at most.
            for items in [10, 24, 60, 200] {
                let found = both(Design { persons: 1_000, items, model, missing: 0.0, seed: 1 });
                let from_batch = rmse(found.iter().map(|it| (it[0], it[1])));
                println!("{model}, {items} items: {from_batch:.4}");
                assert!(from_batch < 0.02, "{model}, {items} items: {from_batch}");
            }
        }
    }

    #[test]
    fn it_errs_no_more_than_the_batch_does() {
        let found = both(Design { persons: 2_000, items: 24, model: Model::ThreePl, missing: 0.0, seed: 2 });
        let (online, batch) =
            (rmse(found.iter().map(|it| (it[0], it[2]))), rmse(found.iter().map(|it| (it[1], it[2]))));
        assert!(online < 1.02 * batch, "{online} against {batch}");
    }

    #[test]
    fn an_item_that_is_hardly_known_teaches_less() {
        let filter = MomentFilter::default();
        let curve = Curve { a: 1.5, b: 0.0, c: 0.0 };
        let (known, vague) = (
            filter.update(filter.prior(), demand(curve, 0.0), true),
            filter.update(filter.prior(), demand(curve, 1.0), true),
        );
        assert!(vague.theta < known.theta && vague.standard_error > known.standard_error);
    }

    #[test]
    fn what_is_known_of_an_ability_fades_to_what_is_known_of_anybody() {
        let filter = MomentFilter::default();
        let sure = AbilityBelief { theta: 1.0, standard_error: 0.3, skewness: 0.8, excess_kurtosis: 0.4 };
        assert_eq!(filter.drift(sure, 0.0), sure);
        let later = filter.drift(sure, 90.0);
        // Twice the variance with the same third and fourth cumulant.
        assert!((later.skewness - 0.8 / f64::sqrt(8.0)).abs() < 1e-12, "{later:?}");
        assert!((later.excess_kurtosis - 0.1).abs() < 1e-12, "{later:?}");
        assert!((later.standard_error - f64::sqrt(0.09 + 0.09)).abs() < 1e-12);
        assert!((filter.drift(sure, 1e9).standard_error - 1.3).abs() < 1e-12);
        let vague = AbilityBelief::gaussian(0.0, 2.0);
        assert!((filter.drift(vague, 10.0).standard_error - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_same_answers_in_the_same_order_give_the_same_bits() {
        let bits = || {
            let (filter, mut rng) = (MomentFilter::default(), Rng(3));
            let mut belief = filter.prior();
            for _ in 0..200 {
                let item = demand(Curve { a: 0.5 + rng.uniform(), b: rng.normal(), c: 0.25 }, 0.2);
                belief = filter.update(filter.drift(belief, 3.0), item, rng.uniform() < 0.6);
            }
            [belief.theta, belief.standard_error, belief.skewness, belief.excess_kurtosis].map(f64::to_bits)
        };
        assert_eq!(bits(), bits());
    }

    proptest! {
        #[test]
        fn right_raises_and_wrong_lowers_and_everything_stays_finite(
            theta in -5.0..5.0, standard_error in 0.01..2.0, skewness in -MOST_SKEWED..MOST_SKEWED,
            excess_kurtosis in FLATTEST..MOST_PEAKED, a in 0.2..3.0, b in -4.0..4.0, e in 0.0..1.0, c in 0.0..0.5,
        ) {
            let filter = MomentFilter::default();
            let belief = AbilityBelief { theta, standard_error, skewness, excess_kurtosis };
            let item = demand(Curve { a, b, c }, e);
            let (right, wrong) = (filter.update(belief, item, true), filter.update(belief, item, false));
            prop_assert!(wrong.theta <= theta + 1e-9 && theta <= right.theta + 1e-9);
            for after in [right, wrong] {
                prop_assert!(after.theta.is_finite() && after.standard_error.is_finite() && after.standard_error > 0.0);
                prop_assert!(after.skewness.is_finite() && after.excess_kurtosis.is_finite());
            }
        }
    }
}
