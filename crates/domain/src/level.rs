//! Levels and skills.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A band of the Common European Framework of Reference for Languages, as far as the level test reaches.
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
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
pub enum Cefr {
    /// Breakthrough.
    A1,
    /// Waystage.
    A2,
    /// Threshold.
    B1,
    /// Vantage.
    B2,
    /// Effective operational proficiency.
    C1,
}

impl Cefr {
    /// The ability (logits) at which each band above A1 begins.
    ///
    /// The scale is that of the catalogue's items, whose difficulties run from about −3 to 3; the cuts lie
    /// halfway between the mean difficulties of neighbouring bands.
    pub const CUTS: [f64; 4] = [-1.6, -0.6, 0.35, 1.35];

    /// The band that ability `theta` (logits) falls into.
    pub fn from_theta(theta: f64) -> Self {
        const BANDS: [Cefr; 5] = [Cefr::A1, Cefr::A2, Cefr::B1, Cefr::B2, Cefr::C1];
        BANDS[Self::CUTS.iter().filter(|cut| theta >= **cut).count()]
    }

    /// How many bands lie between two, 0 for the same.
    pub fn distance(self, other: Self) -> u8 {
        (self as u8).abs_diff(other as u8)
    }
}

/// The four skills.
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
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Skill {
    /// Understanding written text.
    Reading,
    /// Understanding speech.
    Listening,
    /// Writing.
    Writing,
    /// Speaking.
    Speaking,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_begin_at_their_cuts() {
        assert_eq!(Cefr::from_theta(-9.0), Cefr::A1);
        assert_eq!(Cefr::from_theta(-1.6), Cefr::A2);
        assert_eq!(Cefr::from_theta(0.0), Cefr::B1);
        assert_eq!(Cefr::from_theta(1.0), Cefr::B2);
        assert_eq!(Cefr::from_theta(9.0), Cefr::C1);
    }

    #[test]
    fn bands_sort_and_measure_their_distance() {
        assert!(Cefr::A1 < Cefr::C1);
        assert_eq!(Cefr::A2.distance(Cefr::B2), 2);
    }
}
