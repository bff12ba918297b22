//! Online ability by assumed-density filtering.
//!
//! What is believed of an ability is N(θ; m, s²). One answer *u* to an item of discrimination *a*, guessing *c*, and a
//! difficulty that is itself known only as N(b, e²) has the likelihood L(θ) = ∫ P(u | a, β, c, θ) N(β; b, e²) dβ. The
//! posterior ∝ N(θ; m, s²) L(θ) is replaced by the Gaussian of the same mean and variance (Maybeck, 1982; Opper, 1998;
//! Weng & Lin, 2011, for ratings). Between answers an ability wanders: its variance grows by [`WANDER`] a day, up to
//! the prior's (a random walk, as in Kalman's filter).
//!
//! The integral over θ is a sum over equally spaced nodes from −6 to 6 standard deviations, which is exact to rounding
//! for what is so smooth; that over β is Gauss–Hermite with seven nodes. Sums have one order and exponentials are
//! `libm`'s: the same answers in the same order give the same bits.

use baeum_domain::assessment::{
    calibration::{AbilityFilter, ItemDemand},
    testing::Ability,
};

use super::{calibration::RULE, logistic::sigmoid, posterior::Prior};

/// By how much the variance of an ability grows in a day, in squared logits: after a quarter without an answer it may
/// have moved by 0.3. Chosen, not measured.
pub const WANDER: f64 = 0.001;
/// The nodes stand `1 / PER_DEVIATION` of a standard deviation apart.
const PER_DEVIATION: f64 = 3.0;
const REACH: i32 = 18;
const LEAST_ERROR: f64 = 1e-3;

/// Re-estimates abilities by assumed-density filtering.
#[derive(Clone, Copy, Debug)]
pub struct GaussianAbility {
    prior: Prior,
}

impl GaussianAbility {
    /// Beginning from `prior`.
    pub fn new(prior: Prior) -> Self {
        Self { prior }
    }
}

/// Beginning from the population of learners.
impl Default for GaussianAbility {
    fn default() -> Self {
        Self::new(Prior::POPULATION)
    }
}

impl AbilityFilter for GaussianAbility {
    fn prior(&self) -> Ability {
        Ability { theta: self.prior.mean, standard_error: self.prior.standard_deviation }
    }

    fn drift(&self, ability: Ability, days: f64) -> Ability {
        let variance = ability.standard_error * ability.standard_error;
        // Where less is known than before any answer, nothing is taken away.
        let most = (self.prior.standard_deviation * self.prior.standard_deviation).max(variance);
        let standard_error = libm::sqrt((variance + WANDER * days.max(0.0)).min(most));
        Ability { standard_error, ..ability }
    }

    fn update(&self, ability: Ability, item: ItemDemand, correct: bool) -> Ability {
        let Ability { theta, standard_error } = ability;
        let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
        for step in -REACH..=REACH {
            let z = f64::from(step) / PER_DEVIATION;
            let weight = libm::exp(-0.5 * z * z) * likelihood(item, theta + standard_error * z, correct);
            total += weight;
            first += weight * z;
            second += weight * z * z;
        }
        if total <= 0.0 {
            return ability;
        }
        let mean = first / total;
        let variance = second / total - mean * mean;
        let narrowed = standard_error * libm::sqrt(variance.max(0.0));
        Ability { theta: theta + standard_error * mean, standard_error: narrowed.max(LEAST_ERROR) }
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
        let filter = GaussianAbility::new(STANDARD);
        let person = |person: usize| {
            let answer = |(item, curve): (usize, &Curve)| Some((*curve, simulation.responses.answer(person, item)?));
            let answers: Vec<_> = simulation.curves.iter().enumerate().filter_map(answer).collect();
            let online = answers
                .iter()
                .fold(filter.prior(), |ability, (curve, right)| filter.update(ability, demand(*curve, 0.0), *right));
            [online.theta, expected_a_posteriori(STANDARD, &answers).theta, simulation.abilities[person]]
        };
        (0..design.persons).map(person).collect()
    }

    #[test]
    fn the_first_answer_is_exact() {
        let curve = Curve { a: 1.4, b: 0.3, c: 0.2 };
        let filter = GaussianAbility::new(STANDARD);
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
            // A sitting has 24 answers that count at most. Over many more, what each step leaves out of the shape adds up.
            for (items, most) in [(10, 0.05), (24, 0.05), (60, 0.06)] {
                let found = both(Design { persons: 1_000, items, model, missing: 0.0, seed: 1 });
                let from_batch = rmse(found.iter().map(|it| (it[0], it[1])));
                println!("{model}, {items} items: {from_batch:.4}");
                assert!(from_batch < most, "{model}, {items} items: {from_batch}");
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
        let filter = GaussianAbility::default();
        let curve = Curve { a: 1.5, b: 0.0, c: 0.0 };
        let (known, vague) = (
            filter.update(filter.prior(), demand(curve, 0.0), true),
            filter.update(filter.prior(), demand(curve, 1.0), true),
        );
        assert!(vague.theta < known.theta && vague.standard_error > known.standard_error);
    }

    #[test]
    fn what_is_known_of_an_ability_fades_to_what_is_known_of_anybody() {
        let filter = GaussianAbility::default();
        let sure = Ability { theta: 1.0, standard_error: 0.3 };
        assert_eq!(filter.drift(sure, 0.0).theta.to_bits(), sure.theta.to_bits());
        let later = filter.drift(sure, 90.0);
        assert!((later.standard_error - f64::sqrt(0.09 + 0.09)).abs() < 1e-12);
        assert!((filter.drift(sure, 1e9).standard_error - 1.3).abs() < 1e-12);
        let vague = Ability { theta: 0.0, standard_error: 2.0 };
        assert!((filter.drift(vague, 10.0).standard_error - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_same_answers_in_the_same_order_give_the_same_bits() {
        let bits = || {
            let (filter, mut rng) = (GaussianAbility::default(), Rng(3));
            let mut ability = filter.prior();
            for _ in 0..200 {
                let item = demand(Curve { a: 0.5 + rng.uniform(), b: rng.normal(), c: 0.25 }, 0.2);
                ability = filter.update(filter.drift(ability, 3.0), item, rng.uniform() < 0.6);
            }
            (ability.theta.to_bits(), ability.standard_error.to_bits())
        };
        assert_eq!(bits(), bits());
    }

    proptest! {
        #[test]
        fn right_raises_and_wrong_lowers_and_everything_stays_finite(
            theta in -5.0..5.0, standard_error in 0.01..2.0, a in 0.2..3.0, b in -4.0..4.0, e in 0.0..1.0, c in 0.0..0.5,
        ) {
            let filter = GaussianAbility::default();
            let (ability, item) = (Ability { theta, standard_error }, demand(Curve { a, b, c }, e));
            let (right, wrong) = (filter.update(ability, item, true), filter.update(ability, item, false));
            prop_assert!(wrong.theta <= theta + 1e-9 && theta <= right.theta + 1e-9);
            for after in [right, wrong] {
                prop_assert!(after.theta.is_finite() && after.standard_error.is_finite() && after.standard_error > 0.0);
            }
        }
    }
}
