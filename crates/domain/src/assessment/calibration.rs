//! The port of online calibration: item parameters re-estimated one answer at a time.

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
