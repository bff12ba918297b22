//! The curve of one item.

use super::exponential::exp;
use crate::assessment::logistic::{log_sigmoid, sigmoid};

/// An item's characteristic curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Discrimination *a*.
    pub a: f64,
    /// Difficulty *b*.
    pub b: f64,
    /// Guessing *c*: the probability of a right answer without any ability.
    pub c: f64,
}

impl Curve {
    /// The probability of a right answer at ability `theta` (Birnbaum, 1968).
    pub fn probability(self, theta: f64) -> f64 {
        self.c + (1.0 - self.c) * sigmoid(self.a * (theta - self.b))
    }

    /// The logarithm of the probability of this answer at ability `theta`. It does not underflow.
    pub fn log_likelihood(self, correct: bool, theta: f64) -> f64 {
        let z = self.a * (theta - self.b);
        if self.c <= 0.0 {
            log_sigmoid(if correct { z } else { -z })
        } else if correct {
            libm::log(self.probability(theta))
        } else {
            libm::log1p(-self.c) + log_sigmoid(-z)
        }
    }

    /// The Fisher information about ability at `theta`: a² (Q/P) ((P − c) / (1 − c))² (Lord, 1980, eq. 4-43). Without
    /// guessing that is a² P Q.
    pub fn information(self, theta: f64) -> f64 {
        let logistic = sigmoid(self.a * (theta - self.b));
        let p = self.c + (1.0 - self.c) * logistic;
        if p <= 0.0 {
            return 0.0;
        }
        self.a * self.a * (1.0 - self.c) * (1.0 - logistic) * logistic * logistic / p
    }
}

/// The information of a whole test at `theta`: the sum over its items (Birnbaum, 1968).
pub fn test_information(items: &[Curve], theta: f64) -> f64 {
    items.iter().map(|item| item.information(theta)).sum()
}

/// The curve as it is estimated: logit of the logistic part a θ + d, and g, the logit of c. `g` is −∞ where c is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub(super) a: f64,
    pub(super) d: f64,
    pub(super) g: f64,
}

/// Probability and the logarithms of it and of its complement, at one ability.
pub(super) struct At {
    /// The logistic part.
    pub(super) logistic: f64,
    /// Its complement.
    pub(super) rest: f64,
    pub(super) log_p: f64,
    pub(super) log_q: f64,
}

impl Slope {
    pub(super) fn guessing(self) -> f64 {
        sigmoid(self.g)
    }

    pub(super) fn curve(self) -> Curve {
        Curve { a: self.a, b: -self.d / self.a, c: self.guessing() }
    }

    /// The logistic part at ability `theta`, and its complement.
    pub(super) fn logistic(self, theta: f64) -> (f64, f64) {
        let z = self.a * theta + self.d;
        let e = exp(-z.abs());
        let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
        if z >= 0.0 { (large, small) } else { (small, large) }
    }

    /// With `guessing` (which is the caller's to take once), everything about ability `theta`. Nothing overflows.
    pub(super) fn at(self, guessing: f64, theta: f64) -> At {
        let z = self.a * theta + self.d;
        let e = exp(-z.abs());
        let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
        let log_large = -libm::log1p(e);
        let (logistic, rest, log_logistic, log_rest) =
            if z >= 0.0 { (large, small, log_large, log_large - z) } else { (small, large, log_large + z, log_large) };
        if guessing <= 0.0 {
            return At { logistic, rest, log_p: log_logistic, log_q: log_rest };
        }
        let log_p = libm::log(guessing + (1.0 - guessing) * logistic);
        At { logistic, rest, log_p, log_q: libm::log1p(-guessing) + log_rest }
    }
}

impl From<Curve> for Slope {
    fn from(curve: Curve) -> Self {
        let g = if curve.c > 0.0 { libm::log(curve.c / (1.0 - curve.c)) } else { f64::NEG_INFINITY };
        Self { a: curve.a, d: -curve.a * curve.b, g }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESSED: Curve = Curve { a: 1.4, b: 0.6, c: 0.2 };

    #[test]
    fn at_the_difficulty_half_of_those_who_do_not_guess_are_right() {
        assert!((GUESSED.probability(0.6) - 0.6).abs() < 1e-15);
        assert!((GUESSED.probability(-40.0) - 0.2).abs() < 1e-12);
        assert!((GUESSED.probability(40.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn information_is_the_squared_slope_over_the_variance_of_the_answer() {
        for theta in [-2.0, 0.0, 0.6, 3.0] {
            let h = 1e-6;
            let slope = (GUESSED.probability(theta + h) - GUESSED.probability(theta - h)) / (2.0 * h);
            let p = GUESSED.probability(theta);
            assert!((GUESSED.information(theta) - slope * slope / (p * (1.0 - p))).abs() < 1e-8, "{theta}");
        }
    }

    #[test]
    fn logarithms_agree_with_probabilities_and_stay_finite_far_away() {
        let slope = Slope::from(GUESSED);
        for theta in [-3.0, 0.0, 2.5] {
            let at = slope.at(slope.guessing(), theta);
            let p = GUESSED.probability(theta);
            assert!((at.log_p - p.ln()).abs() < 1e-12 && (at.log_q - (1.0 - p).ln()).abs() < 1e-12, "{theta}");
        }
        let steep = Slope { a: 500.0, d: 0.0, g: f64::NEG_INFINITY };
        let at = steep.at(steep.guessing(), -6.0);
        assert!(at.log_p.is_finite() && at.log_q.is_finite());
    }

    #[test]
    fn the_logarithm_of_an_answer_is_that_of_its_probability_and_stays_finite() {
        for curve in [GUESSED, Curve { c: 0.0, ..GUESSED }] {
            for theta in [-3.0, 0.0, 2.5] {
                let p = curve.probability(theta);
                assert!((curve.log_likelihood(true, theta) - p.ln()).abs() < 1e-12);
                assert!((curve.log_likelihood(false, theta) - (1.0 - p).ln()).abs() < 1e-12);
            }
            assert!(curve.log_likelihood(true, -1e6).is_finite() && curve.log_likelihood(false, 1e6).is_finite());
        }
    }

    #[test]
    fn slope_and_intercept_are_the_same_curve() {
        let back = Slope::from(GUESSED).curve();
        assert!((back.a - 1.4).abs() < 1e-15 && (back.b - 0.6).abs() < 1e-15 && (back.c - 0.2).abs() < 1e-15);
    }
}
