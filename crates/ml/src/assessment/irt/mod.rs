//! Item response theory: calibrating a bank of items from a matrix of right and wrong answers.
//!
//! A person of ability θ answers item j rightly with probability
//!
//! P_j(θ) = c_j + (1 − c_j) / (1 + exp(−a_j (θ − b_j)))
//!
//! (Birnbaum, 1968; one parameter: one *a* for all items and c = 0; two: c = 0). Abilities are standard normal, and
//! answers are independent given ability. [`calibrate()`] finds the parameters, [`ability`] places persons, [`fit`] and
//! [`dif`] say where the model is wrong.
//!
//! Exponentials and logarithms are `libm`'s, or written out here, and sums have one order (or are sums of integers, which
//! need none), so a calibration gives the same bits on every platform and with any number of threads.

#![allow(clippy::cast_precision_loss, reason = "counts of answers are far below 2^53")]
#![allow(clippy::many_single_char_names, reason = "a, b, c, θ, P and Q are the names of the field")]

pub mod ability;
pub mod calibrate;
pub mod curve;
pub mod dif;
pub mod fit;
pub mod matrix;
pub mod responses;
pub mod simulate;

mod expectation;
mod exponential;
mod information;
pub(crate) mod linear;
mod maximization;
mod posterior;
mod priors;
mod quadrature;
mod scores;
mod squarem;
pub(super) mod threads;

pub use calibrate::{CalibratedItem, Calibration, CalibrationError, Options, Priors, Step, calibrate};
pub use curve::Curve;
pub use responses::Responses;

/// How many parameters an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Model {
    /// Difficulty; one discrimination for all items (Rasch's model with the scale in *a*).
    #[serde(rename = "1pl")]
    OnePl,
    /// Discrimination and difficulty.
    #[serde(rename = "2pl")]
    TwoPl,
    /// Discrimination, difficulty and guessing.
    #[serde(rename = "3pl")]
    ThreePl,
}

impl Model {
    /// How many parameters are estimated for `items` items.
    pub fn parameters(self, items: usize) -> usize {
        match self {
            Self::OnePl => items + 1,
            Self::TwoPl => 2 * items,
            Self::ThreePl => 3 * items,
        }
    }

    /// The fewest items with which the model is identified: their patterns must outnumber its parameters.
    pub fn fewest_items(self) -> usize {
        match self {
            Self::OnePl => 2,
            Self::TwoPl => 3,
            Self::ThreePl => 4,
        }
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnePl => "1pl",
            Self::TwoPl => "2pl",
            Self::ThreePl => "3pl",
        })
    }
}
