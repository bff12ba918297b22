//! The port of the affect model: from signals of activity to an estimate of a state.
//!
//! Signals are what a learner did in the platform. There are none from a camera, a microphone or a sensor, and there is no
//! room for one: docs/affect.md says why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a learner seems to feel: an estimate from what they did, never a finding about them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Affect {
    /// Works with attention.
    Engaged,
    /// Does not understand.
    Confused,
    /// Tries and fails.
    Frustrated,
    /// Is not challenged.
    Bored,
}

/// Something that a learner did, as far as it says how they feel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Answered a test item.
    Answered {
        /// Rightly.
        correct: bool,
        /// In how many milliseconds, where measured.
        response_ms: Option<u32>,
    },
    /// Watched a clip.
    Watched {
        /// To its end.
        to_the_end: bool,
        /// At which speed, in percent.
        speed_percent: u16,
        /// Playing how many segments again.
        repeats: u32,
    },
    /// Attempted a task.
    Attempted {
        /// With which score, 0 to 1.
        score: f64,
        /// For the how many-th time, from 1.
        ordinal: u32,
    },
    /// Took a hint. No event of the platform says so yet.
    TookHint,
    /// Finished a lesson.
    CompletedLesson,
    /// Gave something up: a lesson or a test.
    GaveUp,
}

/// What is believed of a learner's state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AffectBelief {
    /// Probability of engaged, confused, frustrated and bored, in the order of [`Affect`]; they add up to 1.
    pub probabilities: [f64; 4],
    /// How many answers and attempts in a row were wrong, up to the latest.
    pub errors_in_a_row: u32,
    /// When the latest signal came.
    pub at: DateTime<Utc>,
}

impl AffectBelief {
    /// The likeliest state with its probability; of equals the first in the order of [`Affect`].
    pub fn likeliest(&self) -> (Affect, f64) {
        const ORDER: [Affect; 4] = [Affect::Engaged, Affect::Confused, Affect::Frustrated, Affect::Bored];
        let mut best = 0;
        for at in 1..4 {
            if self.probabilities[at] > self.probabilities[best] {
                best = at;
            }
        }
        (ORDER[best], self.probabilities[best])
    }
}

/// Estimates affect. Implementations give the same bits for the same signals in the same order.
pub trait AffectModel: Send + Sync {
    /// What is believed after a signal, from what was believed before it (`None` at first).
    fn observe(&self, before: Option<&AffectBelief>, signal: &Signal, at: DateTime<Utc>) -> AffectBelief;

    /// Which model this is.
    fn model_id(&self) -> &str;
}
