//! From values of candidates to an order, with the probability of every choice.
//!
//! Places are filled from the first on. For each, a candidate's value is lowered by its likeness to what is placed already
//! (maximal marginal relevance: Carbonell & Goldstein, 1998), and one is drawn with probability
//!
//! (1 − ε) exp(value / τ) / Σ exp(value / τ) + ε / n
//!
//! of the *n* that are left. That is the propensity: exact, above ε / n, and known when the choice is made. The draw is a
//! hash of the seed and the place, so the same seed and values give the same order.

use crate::assessment::random::{nth, uniform};

/// How places are filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Draw {
    /// τ: the difference in value that makes a choice e times likelier; 0 for the best alone.
    pub(crate) temperature: f64,
    /// ε: how often any candidate is drawn, 0 to 1.
    pub(crate) uniform: f64,
    /// How much the value counts against likeness, 0 to 1.
    pub(crate) relevance: f64,
}

/// The probability of each candidate, in their order; of equals at τ = 0 the first has it.
pub(crate) fn probabilities(values: &[f64], draw: &Draw) -> Vec<f64> {
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = if draw.temperature > 0.0 {
        values.iter().map(|value| libm::exp((value - highest) / draw.temperature)).collect()
    } else {
        let best = values.iter().position(|value| value.to_bits() == highest.to_bits()).unwrap_or(0);
        (0..values.len()).map(|at| f64::from(u8::from(at == best))).collect()
    };
    let (total, even) = (weights.iter().sum::<f64>(), 1.0 / crate::recommendation::fit::number(values.len()));
    weights.iter().map(|weight| (1.0 - draw.uniform) * weight / total + draw.uniform * even).collect()
}

/// Which candidates stand in the first `places`, each with its propensity. `likeness` is from 0 to 1.
pub(crate) fn fill(
    values: &[f64],
    places: usize,
    draw: &Draw,
    seed: u64,
    likeness: impl Fn(usize, usize) -> f64,
) -> Vec<(usize, f64)> {
    let mut left: Vec<usize> = (0..values.len()).collect();
    let mut placed = Vec::<(usize, f64)>::new();
    // The largest likeness of each to what is placed.
    let mut alike = vec![0.0_f64; values.len()];
    while placed.len() < places && !left.is_empty() {
        let marginal: Vec<f64> =
            left.iter().map(|at| draw.relevance * values[*at] - (1.0 - draw.relevance) * alike[*at]).collect();
        let probabilities = probabilities(&marginal, draw);
        let chosen = pick(&probabilities, uniform(nth(seed, placed.len() as u64)));
        let at = left.remove(chosen);
        placed.push((at, probabilities[chosen]));
        for other in &left {
            alike[*other] = alike[*other].max(likeness(*other, at));
        }
    }
    placed
}

/// Where `point`, between 0 and 1, falls. What has no probability is not picked.
pub(crate) fn pick(probabilities: &[f64], point: f64) -> usize {
    let mut passed = 0.0;
    for (at, probability) in probabilities.iter().enumerate() {
        passed += probability;
        if point < passed && *probability > 0.0 {
            return at;
        }
    }
    // Sums of rounded numbers may end a little below 1.
    probabilities.iter().rposition(|probability| *probability > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DRAW: Draw = Draw { temperature: 0.1, uniform: 0.05, relevance: 0.7 };

    #[test]
    fn at_temperature_0_the_best_is_certain_and_of_equals_the_first() {
        let draw = Draw { temperature: 0.0, uniform: 0.0, relevance: 1.0 };
        assert_eq!(probabilities(&[0.1, 0.5, 0.5], &draw), [0.0, 1.0, 0.0]);
        let placed = fill(&[0.1, 0.5, 0.5, 0.3], 3, &draw, 9, |_, _| 0.0);
        assert_eq!(placed, [(1, 1.0), (2, 1.0), (3, 1.0)]);
    }

    #[test]
    fn what_is_like_the_placed_gives_way() {
        let draw = Draw { temperature: 0.0, uniform: 0.0, relevance: 0.5 };
        let like = |left: usize, right: usize| f64::from(u8::from((left < 2) == (right < 2)));
        let order: Vec<_> = fill(&[0.9, 0.8, 0.3], 3, &draw, 1, like).into_iter().map(|(at, _)| at).collect();
        assert_eq!(order, [0, 2, 1]);
    }

    #[test]
    fn candidates_are_drawn_as_often_as_their_propensities_say() {
        let values = [0.5, 0.45, 0.3, 0.0];
        let expected = probabilities(&values, &Draw { relevance: 1.0, ..DRAW });
        let mut counts = [0.0_f64; 4];
        for seed in 0..40_000 {
            let placed = fill(&values, 1, &Draw { relevance: 1.0, ..DRAW }, nth(3, seed), |_, _| 0.0);
            assert!((placed[0].1 - expected[placed[0].0]).abs() < 1e-15);
            counts[placed[0].0] += 1.0;
        }
        for (count, probability) in counts.iter().zip(expected) {
            let sd = (probability * (1.0 - probability) / 40_000.0).sqrt();
            assert!((count / 40_000.0 - probability).abs() < 4.5 * sd, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn each_is_placed_once_with_a_propensity_above_the_floor(
            values in prop::collection::vec(-2.0..2.0_f64, 1..30),
            seed: u64,
            temperature in 0.0..0.5_f64,
        ) {
            let draw = Draw { temperature, ..DRAW };
            let placed = fill(&values, 6, &draw, seed, |left, right| f64::from(u8::from(left % 3 == right % 3)));
            prop_assert_eq!(placed.len(), values.len().min(6));
            for (place, (at, propensity)) in placed.iter().enumerate() {
                let left = f64::from(u32::try_from(values.len() - place).expect("few"));
                prop_assert!(*propensity >= 0.05 / left - 1e-12 && *propensity <= 1.0 + 1e-12);
                prop_assert_eq!(placed.iter().filter(|(other, _)| other == at).count(), 1);
            }
            prop_assert_eq!(&placed, &fill(&values, 6, &draw, seed, |left, right| f64::from(u8::from(left % 3 == right % 3))));
            let total: f64 = probabilities(&values, &draw).iter().sum();
            prop_assert!((total - 1.0).abs() < 1e-9);
        }
    }
}
