//! Online calibration of items by assumed-density filtering.
//!
//! What is believed of an item is a Gaussian over x = (log *a*, *b*). One answer *u* of a learner of ability θ, itself
//! known only as N(θ̂, se²), has the likelihood
//!
//! L(x) = ∫ P(u | a, b, θ) N(θ; θ̂, se²) dθ, with P = c + (1 − c) / (1 + exp(−a (θ − b))) and *c* known: those who know nothing are right that often.
//!
//! The posterior ∝ N(x; m, Σ) L(x) is replaced by the Gaussian of the same mean and covariance: assumed-density
//! filtering by moment matching (Maybeck, 1982; Opper, 1998; for ratings of games and players Herbrich, Minka & Graepel,
//! 2007). All integrals are Gauss–Hermite products of 7 × 7 × 7 nodes (Golub & Welsch, 1969), whitened by the Cholesky
//! factor of Σ, so that the nodes follow the belief as it narrows; they are exact for polynomials to degree 13.
//!
//! Two things are worth knowing:
//!
//! - A single answer can *honestly* widen the belief about log *a*: a right answer a little above the difficulty fits
//!   flat and steep items alike. Forbidding it would count the narrowing by wrong answers twice. What cannot happen is
//!   widening by rounding: an answer whose likelihood is the same at every node leaves the belief as it is, to the bit,
//!   and over the two possible answers, weighed by their probabilities, no variance grows (law of total variance).
//! - The covariance stays positive definite: one answer never removes more than 95% of the variance in any whitened
//!   direction (no logistic answer can teach that much), and correlation and variances are bounded.
//!
//! Means are held within the ranges that the catalogue allows (*a* 0.2 to 3, *b* −4 to 4), so that no run of strange
//! answers can take an item off the scale.

use baeum_domain::assessment::{
    calibration::{ItemBelief, ItemCalibrator},
    testing::Ability,
};

use super::logistic::sigmoid;

/// Nodes and weights of the 7-point Gauss–Hermite rule for a standard normal: Σ w f(x) ≈ E f(X).
pub(super) const RULE: [(f64, f64); 7] = [
    (-3.750_439_717_725_742, 0.000_548_268_855_972_217_6),
    (-2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (-1.154_405_394_739_968_3, 0.240_123_178_605_012_7),
    (0.0, 0.457_142_857_142_857_1),
    (1.154_405_394_739_968_3, 0.240_123_178_605_012_7),
    (2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (3.750_439_717_725_742, 0.000_548_268_855_972_217_6),
];

const PRIOR_SD_LOG_DISCRIMINATION: f64 = 0.35;
const PRIOR_SD_DIFFICULTY: f64 = 0.6;
const DISCRIMINATIONS: (f64, f64) = (0.2, 3.0);
const DIFFICULTIES: (f64, f64) = (-4.0, 4.0);
/// The least that one answer leaves of the variance in a whitened direction.
const LEAST_LEFT: f64 = 0.05;
const LEAST_VARIANCE: f64 = 1e-6;
const HIGHEST_CORRELATION: f64 = 0.99;
/// Likelihoods that differ by less, relatively, are equal but for rounding.
const ROUNDING: f64 = 1e-12;
/// The least likelihood of an answer: what the model holds for impossible teaches little rather than anything.
const LEAST_LIKELIHOOD: f64 = 1e-9;

/// Re-estimates items by assumed-density filtering.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnlineCalibrator;

impl OnlineCalibrator {
    /// The calibrator.
    pub fn new() -> Self {
        Self
    }
}

impl ItemCalibrator for OnlineCalibrator {
    fn prior(&self, discrimination: f64, difficulty: f64) -> ItemBelief {
        let (flattest, steepest) = DISCRIMINATIONS;
        ItemBelief {
            log_discrimination: libm::log(discrimination.clamp(flattest, steepest)),
            difficulty: difficulty.clamp(DIFFICULTIES.0, DIFFICULTIES.1),
            var_log_discrimination: PRIOR_SD_LOG_DISCRIMINATION * PRIOR_SD_LOG_DISCRIMINATION,
            var_difficulty: PRIOR_SD_DIFFICULTY * PRIOR_SD_DIFFICULTY,
            covariance: 0.0,
        }
    }

    fn update(&self, belief: ItemBelief, guessing: f64, ability: Ability, correct: bool) -> ItemBelief {
        let root = Cholesky::of(covariance(belief));
        let mut nodes = [(0.0, 0.0, 0.0, 0.0); 49];
        let pairs = RULE.iter().flat_map(|first| RULE.iter().map(move |second| (first, second)));
        for (node, ((z1, w1), (z2, w2))) in nodes.iter_mut().zip(pairs) {
            let (log_a, b) = root.at(belief, *z1, *z2);
            *node = (*z1, *z2, w1 * w2, likelihood((libm::exp(log_a), b, guessing), ability, correct));
        }
        let lowest = nodes.iter().map(|node| node.3).fold(f64::INFINITY, f64::min);
        let highest = nodes.iter().map(|node| node.3).fold(f64::NEG_INFINITY, f64::max);
        if highest - lowest <= ROUNDING * highest {
            return belief;
        }
        let evidence: f64 = nodes.iter().map(|(_, _, weight, likelihood)| weight * likelihood).sum();
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            nodes.iter().map(|(z1, z2, weight, likelihood)| of(*z1, *z2) * (weight * likelihood)).sum::<f64>()
                / evidence
        };
        let (m1, m2) = (mean(&|z1, _| z1), mean(&|_, z2| z2));
        let whitened = Covariance {
            first: mean(&|z1, _| (z1 - m1) * (z1 - m1)),
            second: mean(&|_, z2| (z2 - m2) * (z2 - m2)),
            both: mean(&|z1, z2| (z1 - m1) * (z2 - m2)),
        };
        let after = root.colour(whitened.bounded(LEAST_LEFT)).bounded(LEAST_VARIANCE);
        let (log_a, b) = root.at(belief, m1, m2);
        ItemBelief {
            log_discrimination: log_a.clamp(libm::log(DISCRIMINATIONS.0), libm::log(DISCRIMINATIONS.1)),
            difficulty: b.clamp(DIFFICULTIES.0, DIFFICULTIES.1),
            var_log_discrimination: after.first,
            var_difficulty: after.second,
            covariance: after.both,
        }
    }
}

/// The probability of the answer, over the uncertainty of the ability.
fn likelihood((a, b, c): (f64, f64, f64), ability: Ability, correct: bool) -> f64 {
    let at = |theta: f64| {
        let z = a * (theta - b);
        if correct { c + (1.0 - c) * sigmoid(z) } else { (1.0 - c) * sigmoid(-z) }
    };
    let over_ability = RULE.iter().map(|(z, weight)| weight * at(ability.theta + ability.standard_error * z));
    over_ability.sum::<f64>().max(LEAST_LIKELIHOOD)
}

fn covariance(belief: ItemBelief) -> Covariance {
    let ItemBelief { var_log_discrimination: first, var_difficulty: second, covariance: both, .. } = belief;
    Covariance { first, second, both }.bounded(LEAST_VARIANCE)
}

/// A symmetric 2 × 2 matrix.
#[derive(Clone, Copy)]
struct Covariance {
    first: f64,
    second: f64,
    both: f64,
}

impl Covariance {
    /// The nearest matrix by entries whose variances are at least `least` and whose correlation is at most
    /// [`HIGHEST_CORRELATION`].
    fn bounded(self, least: f64) -> Self {
        let (first, second) = (self.first.max(least), self.second.max(least));
        let most = HIGHEST_CORRELATION * libm::sqrt(first * second);
        Self { first, second, both: self.both.clamp(-most, most) }
    }
}

/// The lower triangular root of a covariance.
struct Cholesky {
    first: f64,
    both: f64,
    second: f64,
}

impl Cholesky {
    fn of(covariance: Covariance) -> Self {
        let first = libm::sqrt(covariance.first);
        let both = covariance.both / first;
        Self { first, both, second: libm::sqrt(covariance.second - both * both) }
    }

    /// The (log *a*, *b*) that lies at whitened coordinates.
    fn at(&self, belief: ItemBelief, z1: f64, z2: f64) -> (f64, f64) {
        (belief.log_discrimination + self.first * z1, belief.difficulty + self.both * z1 + self.second * z2)
    }

    /// The covariance that is `whitened` in whitened coordinates.
    fn colour(&self, whitened: Covariance) -> Covariance {
        let Covariance { first, second, both } = whitened;
        Covariance {
            first: self.first * self.first * first,
            both: self.first * (self.both * first + self.second * both),
            second: self.both * self.both * first
                + 2.0 * self.both * self.second * both
                + self.second * self.second * second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AVERAGE: Ability = Ability { theta: 0.0, standard_error: 0.35 };

    fn determinant(belief: ItemBelief) -> f64 {
        belief.var_log_discrimination * belief.var_difficulty - belief.covariance * belief.covariance
    }

    /// Standard normal numbers from `SplitMix64`, the sum of twelve uniforms less six.
    fn numbers(mut state: u64) -> impl FnMut() -> f64 {
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            f64::from(u32::try_from(z >> 32).expect("32 bits")) / 4_294_967_296.0
        }
    }

    fn normal(uniform: &mut impl FnMut() -> f64) -> f64 {
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }

    /// Calibrates one item of true (log a, b) from `answers` learners, starting from the prior of (a, b) = (1.2, 0).
    fn calibrate(log_a: f64, b: f64, c: f64, answers: u32, uniform: &mut impl FnMut() -> f64) -> ItemBelief {
        let calibrator = OnlineCalibrator::new();
        let mut belief = calibrator.prior(1.2, 0.0);
        for _ in 0..answers {
            let ability = Ability { theta: 1.2 * normal(uniform), standard_error: 0.35 };
            let theta = ability.theta + ability.standard_error * normal(uniform);
            let correct = uniform() < c + (1.0 - c) * sigmoid(libm::exp(log_a) * (theta - b));
            belief = calibrator.update(belief, c, ability, correct);
        }
        belief
    }

    #[test]
    fn the_quadrature_is_exact_for_the_moments_of_a_normal() {
        let moment = |power: i32| RULE.iter().map(|(node, weight)| weight * node.powi(power)).sum::<f64>();
        for (power, exact) in [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0), (8, 105.0), (12, 10_395.0)]
        {
            assert!((moment(power) - exact).abs() < 1e-12 * exact.max(1.0), "moment {power}: {}", moment(power));
        }
    }

    #[test]
    fn a_wrong_answer_makes_an_item_harder_and_a_right_one_easier() {
        let calibrator = OnlineCalibrator::new();
        let prior = calibrator.prior(1.2, 0.0);
        let (right, wrong) =
            (calibrator.update(prior, 0.0, AVERAGE, true), calibrator.update(prior, 0.0, AVERAGE, false));
        assert!(right.difficulty < 0.0 && wrong.difficulty > 0.0);
        assert!(right.var_difficulty < prior.var_difficulty && wrong.var_difficulty < prior.var_difficulty);
    }

    #[test]
    fn a_failure_of_the_able_makes_an_item_flatter() {
        let calibrator = OnlineCalibrator::new();
        let able = Ability { theta: 2.0, standard_error: 0.3 };
        let prior = calibrator.prior(1.2, 0.0);
        assert!(calibrator.update(prior, 0.0, able, false).log_discrimination < prior.log_discrimination);
        assert!(calibrator.update(prior, 0.0, able, true).log_discrimination > prior.log_discrimination);
    }

    /// Root mean squared errors of (log a, b), and how many of 200 items the 95% intervals of each cover.
    fn recover(guessing: f64) -> ([f64; 2], [u32; 2]) {
        let mut uniform = numbers(7);
        let (mut covered_a, mut covered_b, mut squared_a, mut squared_b) = (0, 0, 0.0, 0.0);
        let items = 200;
        for _ in 0..items {
            let log_a = libm::log(1.2) + PRIOR_SD_LOG_DISCRIMINATION * normal(&mut uniform);
            let b = PRIOR_SD_DIFFICULTY * normal(&mut uniform);
            let belief = calibrate(log_a, b, guessing, 400, &mut uniform);
            let (error_a, error_b) = (belief.log_discrimination - log_a, belief.difficulty - b);
            covered_a += u32::from(error_a.abs() <= 1.96 * belief.var_log_discrimination.sqrt());
            covered_b += u32::from(error_b.abs() <= 1.96 * belief.var_difficulty.sqrt());
            squared_a += error_a * error_a;
            squared_b += error_b * error_b;
        }
        let n = f64::from(items);
        ([(squared_a / n).sqrt(), (squared_b / n).sqrt()], [covered_a, covered_b])
    }

    #[test]
    fn simulated_parameters_are_recovered_and_covered_by_their_intervals() {
        for (guessing, most) in [(0.0, 0.18), (0.25, 0.25)] {
            let (errors, covered) = recover(guessing);
            let shown = format!("guessing {guessing}: rmse {errors:.3?}, covered {covered:?} of 200");
            assert!(errors.iter().all(|error| *error < most), "{shown}");
            assert!(covered.iter().all(|count| *count >= 180), "{shown}");
        }
    }

    #[test]
    fn an_item_far_from_its_prior_is_found_in_the_end() {
        let belief = calibrate(libm::log(1.8), 1.5, 0.0, 1_500, &mut numbers(11));
        assert!((belief.difficulty - 1.5).abs() < 0.25, "{belief:?}");
        assert!((belief.log_discrimination - libm::log(1.8)).abs() < 0.25, "{belief:?}");
    }

    #[test]
    fn the_same_answers_in_the_same_order_give_the_same_bits() {
        let bits = || {
            let belief = calibrate(0.2, -0.4, 0.25, 300, &mut numbers(13));
            [belief.log_discrimination, belief.difficulty, belief.covariance].map(f64::to_bits)
        };
        assert_eq!(bits(), bits());
    }

    #[test]
    fn an_answer_that_says_nothing_leaves_the_belief_as_it_is_to_the_bit() {
        let calibrator = OnlineCalibrator::new();
        let prior = calibrator.prior(2.0, -3.0);
        let far_above = Ability { theta: 400.0, standard_error: 0.1 };
        assert_eq!(calibrator.update(prior, 0.25, far_above, true), prior);
    }

    proptest! {
        #[test]
        fn beliefs_stay_finite_and_positive_definite_at_any_ability(
            answers in prop::collection::vec((-50.0..50.0, 0.0..3.0, any::<bool>()), 1..80),
            a in 0.2..3.0, b in -4.0..4.0, guessing in 0.0..0.5,
        ) {
            let calibrator = OnlineCalibrator::new();
            let mut belief = calibrator.prior(a, b);
            for (theta, standard_error, correct) in answers {
                belief = calibrator.update(belief, guessing, Ability { theta, standard_error }, correct);
                prop_assert!(belief.log_discrimination.is_finite() && (-4.0..=4.0).contains(&belief.difficulty));
                prop_assert!(belief.var_log_discrimination > 0.0 && belief.var_difficulty > 0.0);
                prop_assert!(determinant(belief) > 0.0, "{belief:?}");
            }
        }

        #[test]
        fn over_the_two_possible_answers_no_variance_grows(
            theta in -4.0..4.0, standard_error in 0.05..1.5, a in 0.3..2.5, b in -3.0..3.0, guessing in 0.0..0.5,
        ) {
            let (calibrator, ability) = (OnlineCalibrator::new(), Ability { theta, standard_error });
            let prior = calibrator.prior(a, b);
            let root = Cholesky::of(covariance(prior));
            let right: f64 = RULE.iter().flat_map(|one| RULE.iter().map(move |two| (one, two))).map(|(one, two)| {
                let (log_a, b) = root.at(prior, one.0, two.0);
                one.1 * two.1 * likelihood((libm::exp(log_a), b, guessing), ability, true)
            }).sum();
            let (up, down) = (calibrator.update(prior, guessing, ability, true), calibrator.update(prior, guessing, ability, false));
            let expected = |of: fn(ItemBelief) -> f64| right * of(up) + (1.0 - right) * of(down);
            prop_assert!(expected(|of| of.var_difficulty) <= prior.var_difficulty * (1.0 + 1e-9));
            prop_assert!(expected(|of| of.var_log_discrimination) <= prior.var_log_discrimination * (1.0 + 1e-9));
        }
    }
}
