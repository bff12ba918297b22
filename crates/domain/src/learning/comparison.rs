//! Comparing the arms of an experiment by what their learners did.
//!
//! A learner is what chance divided, so a learner counts once: each has a rate (disputed evaluations of evaluations,
//! completed lessons of lessons), and the arms are compared by the means of those rates. The interval is Welch's, which
//! does not suppose equal variances: with difference d = m₂ − m₁ and v = s²/n of each arm,
//! d ± t(1 − α/2; ν)·√(v₁ + v₂), where ν = (v₁ + v₂)² / (v₁²/(n₁ − 1) + v₂²/(n₂ − 1))
//! (B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved",
//! Biometrika 34, 1947). Where more than one arm is compared with the first, α is divided by their number (Bonferroni),
//! so that all intervals of an experiment hold together with 95 %.
//!
//! The interval holds for one look at the end. Who looks every day and stops at the first interval without 0 will find
//! differences that there are not.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// The probability with which all intervals of an experiment hold.
pub const CONFIDENCE: f64 = 0.95;

/// The rates of the learners of an arm, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Learners with a rate.
    pub learners: u32,
    /// Mean of their rates; 0 without learners.
    pub mean: f64,
    /// Variance of their rates, with n − 1 below; 0 with less than two learners.
    pub variance: f64,
}

/// How an arm differs from the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Its mean less the mean of the first.
    pub difference: f64,
    /// Where the interval begins.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
}

impl Difference {
    /// Whether the interval leaves no doubt of the sign.
    pub fn is_decided(&self) -> bool {
        self.lower > 0.0 || self.upper < 0.0
    }
}

/// The difference between `other` and `first` with an interval, where `comparisons` are made in all. `None` while an arm
/// has less than two learners, or nobody of either differs from anybody.
pub fn difference(first: Sample, other: Sample, comparisons: u32) -> Option<Difference> {
    if first.learners < 2 || other.learners < 2 {
        return None;
    }
    let [n1, n2] = [first, other].map(|it| f64::from(it.learners));
    let (v1, v2) = (first.variance / n1, other.variance / n2);
    let error = (v1 + v2).sqrt();
    let freedom = (v1 + v2).powi(2) / (v1 * v1 / (n1 - 1.0) + v2 * v2 / (n2 - 1.0));
    let student = StudentsT::new(0.0, 1.0, freedom).ok().filter(|_| freedom.is_finite())?;
    let outside = (1.0 - CONFIDENCE) / f64::from(comparisons.max(1));
    let reach = student.inverse_cdf(1.0 - outside / 2.0) * error;
    let difference = other.mean - first.mean;
    Some(Difference { difference, lower: difference - reach, upper: difference + reach })
}

/// Which arm is better than every other, by the intervals to the first arm: its index, or `None` while that is undecided.
///
/// With two arms: whichever the sign says. With more: the first where all others are worse, or the one other that is
/// better than the first and alone in that; between two that both are better nothing is said.
pub fn better(differences: &[Option<Difference>], less_is_better: bool) -> Option<usize> {
    let sign = if less_is_better { -1.0 } else { 1.0 };
    let gains: Vec<Option<f64>> =
        differences.iter().map(|it| it.filter(Difference::is_decided).map(|it| it.difference * sign)).collect();
    let better: Vec<usize> =
        gains.iter().enumerate().filter(|(_, gain)| gain.is_some_and(|it| it > 0.0)).map(|(at, _)| at + 1).collect();
    match better[..] {
        [only] => Some(only),
        [] if !gains.is_empty() && gains.iter().all(Option::is_some) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(learners: u32, mean: f64, variance: f64) -> Sample {
        Sample { learners, mean, variance }
    }

    #[test]
    fn the_interval_is_that_of_welch() {
        // Worked by hand: v₁ = .2, v₂ = .8, ν = 1 / (.04/9 + .64/9) = 13.2353, t(.975) = 2.15640.
        let found = difference(sample(10, 5.0, 2.0), sample(10, 7.0, 8.0), 1).expect("two arms");
        assert!((found.difference - 2.0).abs() < 1e-12);
        assert!((found.upper - 2.0 - 2.1564).abs() < 1e-3, "{found:?}");
        assert!((found.upper + found.lower - 4.0).abs() < 1e-9 && !found.is_decided());
    }

    #[test]
    fn more_comparisons_widen_the_interval() {
        let reach = |comparisons| {
            let it = difference(sample(50, 0.1, 0.01), sample(50, 0.2, 0.01), comparisons).expect("two arms");
            it.upper - it.lower
        };
        assert!(reach(1) < reach(2) && reach(2) < reach(3));
    }

    #[test]
    fn without_learners_or_any_spread_nothing_is_said() {
        assert_eq!(difference(sample(1, 0.1, 0.0), sample(50, 0.2, 0.01), 1), None);
        assert_eq!(difference(sample(50, 0.0, 0.0), sample(50, 0.0, 0.0), 1), None);
    }

    #[test]
    fn an_arm_is_better_only_when_its_interval_leaves_no_doubt() {
        let of = |lower: f64, upper: f64| Some(Difference { difference: f64::midpoint(lower, upper), lower, upper });
        assert_eq!(better(&[of(-0.2, -0.1)], true), Some(1));
        assert_eq!(better(&[of(-0.2, -0.1)], false), Some(0));
        assert_eq!(better(&[of(-0.2, 0.1)], true), None);
        assert_eq!(better(&[None], true), None);
        assert_eq!(better(&[of(-0.2, -0.1), of(0.1, 0.2)], true), Some(1));
        assert_eq!(better(&[of(-0.2, -0.1), of(-0.3, -0.2)], true), None);
        assert_eq!(better(&[of(0.1, 0.2), of(-0.1, 0.2)], true), None);
        assert_eq!(better(&[of(0.1, 0.2), of(0.1, 0.3)], true), Some(0));
    }
}
