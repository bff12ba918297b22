//! How well a policy would have done, from what another one chose: off-policy evaluation of logged choices.
//!
//! With the reward r of the content that was chosen, its propensity p under the policy that chose, and its probability π
//! under the policy in question, the weight is w = π / p:
//!
//! | | | |
//! |---|---|---|
//! | IPS | mean of w r | unbiased; wide where weights vary (Horvitz & Thompson, 1952) |
//! | SNIPS | Σ w r / Σ w | nearly unbiased, narrower, and within the range of rewards (Swaminathan & Joachims, 2015) |
//! | DR | mean of q̂(π) + w (r − q̂(chosen)) | unbiased whatever the model q̂ of rewards, narrow where it is good (Dudík, Langford & Li, 2011) |
//!
//! q̂(π) is the reward that the model expects of the policy in question, q̂(chosen) what it expects of what was chosen; the
//! model must not have seen the row that it judges ([`cross_fit`]).

use super::{features::Features, linucb::LinUcb};

/// Two-sided 95 % of a normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A choice that was logged, seen by the policy in question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    /// What came of it.
    pub reward: f64,
    /// With which probability it was chosen, above 0.
    pub propensity: f64,
    /// With which probability the policy in question would have chosen it, 0 to 1.
    pub target: f64,
    /// q̂ of what was chosen.
    pub expected_of_chosen: f64,
    /// q̂ of the policy in question: of each candidate, weighed by its probability.
    pub expected_of_target: f64,
}

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The mean reward of a choice.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What three estimators make of the same choices.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimates {
    /// How many choices.
    pub choices: usize,
    /// How many choices of the policy itself they are worth: (Σ w)² / Σ w² (Kish, 1965).
    pub effective: f64,
    /// The largest weight.
    pub largest_weight: f64,
    /// Inverse propensity scores.
    pub ips: Estimate,
    /// The same, divided by the sum of weights.
    pub snips: Estimate,
    /// Doubly robust.
    pub dr: Estimate,
}

impl Estimate {
    /// The mean of values with its interval.
    pub fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = super::fit::number(values.len());
        let value = values.clone().sum::<f64>() / count;
        let squares: f64 = values.map(|it| (it - value) * (it - value)).sum();
        Self::of(value, libm::sqrt(squares / (count - 1.0).max(1.0) / count))
    }

    fn of(value: f64, standard_error: f64) -> Self {
        Self { value, standard_error, low: value - Z * standard_error, high: value + Z * standard_error }
    }

    /// Whether the interval holds this value.
    pub fn covers(&self, truth: f64) -> bool {
        self.low <= truth && truth <= self.high
    }
}

/// What the estimators make of `rows`; `None` without any, or where the policy in question would have chosen none.
pub fn estimate(rows: &[Logged]) -> Option<Estimates> {
    let weight = |row: &Logged| row.target / row.propensity;
    let total: f64 = rows.iter().map(weight).sum();
    if rows.is_empty() || total.is_nan() || total <= 0.0 {
        return None;
    }
    let squares: f64 = rows.iter().map(|row| weight(row) * weight(row)).sum();
    let snips = rows.iter().map(|row| weight(row) * row.reward).sum::<f64>() / total;
    let misses: f64 = rows.iter().map(|row| weight(row) * (row.reward - snips)).map(|miss| miss * miss).sum();
    Some(Estimates {
        choices: rows.len(),
        effective: total * total / squares,
        largest_weight: rows.iter().map(weight).fold(0.0, f64::max),
        ips: Estimate::mean(rows.iter().map(|row| weight(row) * row.reward)),
        snips: Estimate::of(snips, libm::sqrt(misses) / total),
        dr: Estimate::mean(
            rows.iter().map(|row| row.expected_of_target + weight(row) * (row.reward - row.expected_of_chosen)),
        ),
    })
}

/// Two models of rewards, each fitted to every second of the choices: the first judges the even rows, which it has not
/// seen, and the second the odd ones.
#[allow(clippy::needless_pass_by_value, reason = "an iterator is made to be given away")]
pub fn cross_fit<'a>(chosen: impl Iterator<Item = (&'a Features, f64)> + Clone) -> [LinUcb; 2] {
    [1, 0].map(|half| {
        let rows = chosen.clone().enumerate().filter(|(at, _)| at % 2 == half);
        LinUcb::prior(&Features::default().0, 1.0).after(rows.map(|(_, (features, reward))| (&features.0[..], reward)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::random::Rng;

    /// Choices among three contents of known mean rewards, by a policy that mostly takes the first.
    fn logged(choices: usize, seed: u64, model_is_off_by: f64) -> Vec<Logged> {
        const MEANS: [f64; 3] = [0.2, 0.5, 0.8];
        const CHOOSES: [f64; 3] = [0.7, 0.2, 0.1];
        const ASKED: [f64; 3] = [0.1, 0.2, 0.7];
        let mut rng = Rng(seed);
        let model = |at: usize| MEANS[at] + model_is_off_by * [1.0, -0.5, 0.25][at];
        (0..choices)
            .map(|_| {
                let point = rng.uniform();
                let at = if point < 0.7 { 0 } else { 1 + usize::from(point >= 0.9) };
                Logged {
                    reward: f64::from(u8::from(rng.uniform() < MEANS[at])),
                    propensity: CHOOSES[at],
                    target: ASKED[at],
                    expected_of_chosen: model(at),
                    expected_of_target: (0..3).map(|at| ASKED[at] * model(at)).sum(),
                }
            })
            .collect()
    }

    const TRUTH: f64 = 0.1 * 0.2 + 0.2 * 0.5 + 0.7 * 0.8;

    #[test]
    fn all_three_find_the_value_of_a_policy_that_never_chose() {
        for off in [0.0, 0.5] {
            let found = estimate(&logged(100_000, 5, off)).expect("choices");
            for estimate in [found.ips, found.snips, found.dr] {
                assert!((estimate.value - TRUTH).abs() < 0.02, "{found:?}");
            }
        }
        let naive = logged(100_000, 5, 0.0).iter().map(|row| row.reward).sum::<f64>() / 100_000.0;
        assert!(naive < 0.4, "the mean of what was logged is another policy's: {naive}");
    }

    #[test]
    fn intervals_hold_the_truth_about_as_often_as_they_say_and_a_good_model_narrows_them() {
        let (mut covered, mut widths) = ([0_u32; 3], [0.0; 3]);
        for seed in 0..400 {
            let found = estimate(&logged(500, seed, 0.0)).expect("choices");
            for (at, it) in [found.ips, found.snips, found.dr].into_iter().enumerate() {
                covered[at] += u32::from(it.covers(TRUTH));
                widths[at] += it.standard_error;
            }
        }
        assert!(covered.iter().all(|times| (360..=396).contains(times)), "{covered:?} of 400");
        assert!(widths[2] < 0.8 * widths[0], "{widths:?}");
    }

    #[test]
    fn a_policy_that_would_have_chosen_nothing_of_it_has_no_estimate() {
        let row =
            Logged { reward: 1.0, propensity: 0.5, target: 0.0, expected_of_chosen: 0.0, expected_of_target: 0.0 };
        assert_eq!((estimate(&[row]), estimate(&[])), (None, None));
    }
}
