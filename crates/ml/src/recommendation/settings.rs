//! What operators and experiments may change about the recommender.

use serde::{Deserialize, Serialize};

/// The most titles, and the most clips, that may be asked for.
const MOST: usize = 50;

/// How much each part of a score weighs, and how much is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Weight of the level before anything was learned, 0 to 1. The three weights add up to 1.
    pub level: f64,
    /// Weight of the weaknesses before anything was learned, 0 to 1.
    pub weaknesses: f64,
    /// Weight of the interests before anything was learned, 0 to 1.
    pub interests: f64,
    /// How much the score counts against likeness to what is chosen already, 0 to 1; 1 for the score alone.
    pub relevance: f64,
    /// Titles to choose, 50 at most.
    pub titles: usize,
    /// Clips to choose, 50 at most.
    pub clips: usize,
    /// How much not knowing speaks for a choice: α of LinUCB, 0 to 10; 0 for what is expected alone.
    pub exploration: f64,
    /// τ: the difference in value that makes a choice e times likelier, 0 to 1; 0 for the best alone.
    pub temperature: f64,
    /// How often any candidate is drawn whatever its value, 0 to 1: the propensity is never below it by their number.
    pub uniform: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: 0.45,
            weaknesses: 0.30,
            interests: 0.25,
            relevance: 0.7,
            titles: 6,
            clips: 4,
            exploration: 0.1,
            temperature: 0.02,
            uniform: 0.05,
        }
    }
}

/// Settings by which nothing can be recommended.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A number is out of its range.
    #[error("{0} is {1}: give a number from 0 to {2}")]
    OutOfRange(&'static str, f64, u8),
    /// Scores would not lie between 0 and 1 at the start.
    #[error("level, weaknesses and interests add up to {0}: they must add up to 1")]
    Sum(f64),
    /// Too much would be chosen.
    #[error("{0} is {1}: choose {MOST} at most")]
    TooMany(&'static str, usize),
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// What is out of its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { level, weaknesses, interests, relevance, titles, clips, exploration, temperature, uniform } = *self;
        let ranges = [
            ("level", level, 1),
            ("weaknesses", weaknesses, 1),
            ("interests", interests, 1),
            ("relevance", relevance, 1),
            ("exploration", exploration, 10),
            ("temperature", temperature, 1),
            ("uniform", uniform, 1),
        ];
        for (name, value, most) in ranges {
            if !(0.0..=f64::from(most)).contains(&value) {
                return Err(SettingsError::OutOfRange(name, value, most));
            }
        }
        let sum = level + weaknesses + interests;
        if (sum - 1.0).abs() > 1e-9 {
            return Err(SettingsError::Sum(sum));
        }
        for (name, value) in [("titles", titles), ("clips", clips)] {
            if value > MOST {
                return Err(SettingsError::TooMany(name, value));
            }
        }
        Ok(())
    }

    /// The same without chance or curiosity: the best that is known, always.
    #[must_use]
    pub fn greedy(self) -> Self {
        Self { exploration: 0.0, temperature: 0.0, uniform: 0.0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_must_be_in_their_ranges() {
        let present = Settings::default();
        assert_eq!((present.check(), present.greedy().check()), (Ok(()), Ok(())));
        for wrong in [
            Settings { level: 0.5, ..present },
            Settings { relevance: 1.5, ..present },
            Settings { level: -0.1, weaknesses: 0.85, ..present },
            Settings { level: f64::NAN, ..present },
            Settings { clips: 51, ..present },
            Settings { exploration: 11.0, ..present },
            Settings { temperature: -0.1, ..present },
            Settings { uniform: 1.1, ..present },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
