//! The ports of online estimation: item parameters and abilities re-estimated one answer at a time.

use serde::{Deserialize, Serialize};

use super::testing::Ability;

/// What is believed of an item: a Gaussian over (log discrimination, difficulty).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemBelief {
    /// Mean of the natural logarithm of the discrimination.
    pub log_discrimination: f64,
    /// Mean of the difficulty, in logits.
    pub difficulty: f64,
    /// Variance of the log discrimination.
    pub var_log_discrimination: f64,
    /// Variance of the difficulty.
    pub var_difficulty: f64,
    /// Covariance of the two.
    pub covariance: f64,
}

/// Re-estimates items online. Implementations give the same bits for the same answers in the same order.
pub trait ItemCalibrator: Send + Sync {
    /// What is believed of an item that nobody has answered, from its catalogue parameters.
    fn prior(&self, discrimination: f64, difficulty: f64) -> ItemBelief;

    /// What is believed after one answer of someone of `ability` (as estimated *before* this answer) to an item that
    /// those who know nothing answer rightly with probability `guessing`.
    fn update(&self, belief: ItemBelief, guessing: f64, ability: Ability, correct: bool) -> ItemBelief;
}

/// What an item asks of an ability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemDemand {
    /// Discrimination, above 0.
    pub discrimination: f64,
    /// Difficulty, in logits.
    pub difficulty: f64,
    /// Standard error of the difficulty in logits; 0 where it is taken for known.
    pub difficulty_error: f64,
    /// The probability that someone who knows nothing is right.
    pub guessing: f64,
}

/// What is believed of an ability: a distribution by its first four moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AbilityBelief {
    /// Mean, in logits.
    pub theta: f64,
    /// Standard deviation, in logits.
    pub standard_error: f64,
    /// Third standardised moment; 0 of a Gaussian.
    pub skewness: f64,
    /// Fourth standardised moment less 3; 0 of a Gaussian.
    pub excess_kurtosis: f64,
}

impl AbilityBelief {
    /// A Gaussian.
    pub fn gaussian(theta: f64, standard_error: f64) -> Self {
        Self { theta, standard_error, skewness: 0.0, excess_kurtosis: 0.0 }
    }
}

/// Re-estimates abilities online. Implementations give the same bits for the same answers in the same order.
pub trait AbilityFilter: Send + Sync {
    /// What is believed of someone who has answered nothing.
    fn prior(&self) -> AbilityBelief;

    /// What is believed after `days` without an answer, 0 or more.
    fn drift(&self, belief: AbilityBelief, days: f64) -> AbilityBelief;

    /// What is believed after one answer.
    fn update(&self, belief: AbilityBelief, item: ItemDemand, correct: bool) -> AbilityBelief;
}
