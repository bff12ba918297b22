//! The port of the scheduler: when a card is to be met again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How well a card was remembered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Rating {
    /// Not at all.
    Again,
    /// With difficulty.
    Hard,
    /// After some thought.
    Good,
    /// At once.
    Easy,
}

/// What is known of the memory of a card.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// In how many days the probability of remembering falls to 0.9, above 0.
    pub stability: f64,
    /// How hard the card is for the learner, 1 to 10.
    pub difficulty: f64,
}

/// What follows from a review.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The memory after it.
    pub memory: Memory,
    /// The probability that was foretold for remembering, 0 to 1; none at the first review.
    pub retrievability: Option<f64>,
    /// In how many days the card is due again, at least 1.
    pub interval_days: u32,
}

/// A review of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastReview {
    /// How well.
    pub rating: Rating,
    /// Days since the review before it; 0 for the first.
    pub elapsed_days: u32,
}

/// Parameters that were fitted to a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The parameters.
    pub parameters: Vec<f64>,
    /// Reviews that were foretold: all but the first of each card on a later day.
    pub reviews: u32,
    /// Mean negative logarithm of the probability of what came, with the usual parameters, in nats.
    pub log_loss_before: f64,
    /// The same with the fitted ones.
    pub log_loss_after: f64,
}

/// Why nothing was scheduled or fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedulerError {
    /// The history is too short.
    #[error("{found} reviews on a later day are too few to fit parameters to: wait for {needed}")]
    FewReviews {
        /// How many there are.
        found: usize,
        /// How many it needs.
        needed: usize,
    },
    /// The scheduler refuses its input.
    #[error("the scheduler {0} cannot compute with these parameters or this memory")]
    Unusable(&'static str),
}

/// Schedules cards. What it says goes into the event, so replay schedules nothing.
pub trait ReviewScheduler: Send + Sync {
    /// The name of the model, with its version.
    fn model_id(&self) -> &'static str;

    /// What follows from a review that comes `elapsed_days` after the one before. Without `parameters` the usual ones
    /// are taken; without `memory` it is the first review.
    ///
    /// # Errors
    /// Parameters or a memory that are none.
    fn schedule(
        &self,
        parameters: Option<&[f64]>,
        memory: Option<Memory>,
        elapsed_days: u32,
        rating: Rating,
    ) -> Result<Schedule, SchedulerError>;

    /// Fits parameters to the reviews of each card, in their order.
    ///
    /// # Errors
    /// A history that is too short.
    fn fit(&self, cards: &[Vec<PastReview>]) -> Result<Fitted, SchedulerError>;
}
