//! What a recommender has learned, as a file: factors and popularity of contents, and the model of rewards.
//!
//! It holds nothing about a person: the factors of a learner follow from what they did (see [`super::als`]).

use std::collections::BTreeMap;

use baeum_domain::recommendation::recommending::Content;
use serde::{Deserialize, Serialize};

use super::{
    als::{Als, Factors},
    features::{self, FEATURES},
    linucb::{Evidence, LinUcb},
    settings::Settings,
};

/// How much a viewing, and a like, count as a strength of implicit feedback.
pub(crate) const SEEN: f64 = 1.0;
pub(crate) const LIKED: f64 = 2.0;
/// As many choices of mean reward are added to those of each content before its popularity is told.
const SHRINKING: f64 = 10.0;
/// How firmly the experts' weights are held: as by so many rewards of a content with that feature alone.
const PRIOR_PRECISION: f64 = 10.0;
const TASTES: (f64, f64) = (-0.5, 1.5);

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// The position of the log up to which it was learned.
    pub trained_to: i64,
    /// What was learned of each content, in the order of contents.
    pub contents: Vec<LearnedContent>,
    /// The model of rewards; none before the first.
    pub rewards: Option<Evidence>,
}

/// What was learned of a content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedContent {
    /// The content.
    pub content: Content,
    /// Its factors.
    pub factors: Vec<f64>,
    /// How often it was chosen.
    pub chosen: u64,
    /// The rewards of that together.
    pub reward: f64,
}

/// Why a file is not what a recommender has learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    /// Not the JSON that it should be.
    #[error("it is not what `baeum recommend fit` writes: {0}: fit it anew")]
    Malformed(#[from] serde_json::Error),
    /// Numbers of another build.
    #[error("its model of rewards has other features than the {FEATURES} of this build: fit it anew")]
    OtherFeatures,
}

impl Learned {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not what [`Learned::to_json`] writes.
    pub fn from_json(text: &str) -> Result<Self, LearnedError> {
        Ok(serde_json::from_str(text)?)
    }

    /// It as text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names are JSON") + "\n"
    }
}

/// What was learned, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    places: BTreeMap<Content, usize>,
    factors: Factors,
    popularity: Vec<f64>,
    pub(crate) rewards: LinUcb,
}

impl Known {
    pub(crate) fn new(learned: &Learned, settings: &Settings) -> Result<Self, LearnedError> {
        let contents = &learned.contents;
        let chosen: f64 = contents.iter().map(|it| count(it.chosen)).sum();
        let mean = contents.iter().map(|it| it.reward).sum::<f64>() / chosen.max(1.0);
        let popularity = |it: &LearnedContent| (it.reward - mean * count(it.chosen)) / (count(it.chosen) + SHRINKING);
        let rewards = match &learned.rewards {
            None => LinUcb::prior(&features::prior(settings), PRIOR_PRECISION),
            Some(evidence) => LinUcb::of(evidence.clone())
                .filter(|model| model.weights().len() == FEATURES)
                .ok_or(LearnedError::OtherFeatures)?,
        };
        Ok(Self {
            places: contents.iter().enumerate().map(|(at, it)| (it.content.clone(), at)).collect(),
            factors: Factors::new(Als::default(), contents.iter().map(|it| it.factors.clone()).collect()),
            popularity: contents.iter().map(popularity).collect(),
            rewards,
        })
    }

    /// The same, had learning begun with the weights of other settings.
    pub(crate) fn beginning_with(&self, settings: &Settings, instead_of: &Settings) -> Self {
        let mut evidence = self.rewards.evidence().clone();
        let weights = features::prior(settings).into_iter().zip(features::prior(instead_of));
        for (moment, (weight, before)) in evidence.moment.iter_mut().zip(weights) {
            *moment += PRIOR_PRECISION * (weight - before);
        }
        let rewards = LinUcb::of(evidence).unwrap_or_else(|| self.rewards.clone());
        Self { rewards, ..self.clone() }
    }

    /// The factors of whoever saw and liked these.
    pub(crate) fn factors_of(&self, seen: &[Content], liked: &[Content]) -> Vec<f64> {
        let mut strengths = BTreeMap::<usize, f64>::new();
        for (contents, strength) in [(seen, SEEN), (liked, LIKED)] {
            for place in contents.iter().filter_map(|content| self.places.get(content)) {
                let of_this = strengths.entry(*place).or_default();
                *of_this = of_this.max(strength);
            }
        }
        self.factors.learner(&strengths.into_iter().collect::<Vec<_>>())
    }

    pub(crate) fn taste(&self, learner: &[f64], content: &Content) -> f64 {
        let preference = self.places.get(content).map_or(0.0, |place| self.factors.preference(learner, *place));
        preference.clamp(TASTES.0, TASTES.1)
    }

    pub(crate) fn popularity(&self, content: &Content) -> f64 {
        self.places.get(content).map_or(0.0, |place| self.popularity[*place])
    }
}

fn count(number: u64) -> f64 {
    super::fit::number(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(id: &str) -> Content {
        Content::Clip(id.parse().expect("a clip id"))
    }

    fn learned() -> Learned {
        let of = |id: &str, chosen: u64, reward: f64| LearnedContent {
            content: content(id),
            factors: vec![0.1; 8],
            chosen,
            reward,
        };
        let rewards = Some(LinUcb::prior(&[0.1; FEATURES], 2.0).evidence().clone());
        Learned { trained_to: 7, contents: vec![of("a", 90, 60.0), of("b", 10, 0.0), of("c", 0, 0.0)], rewards }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let written = learned();
        assert_eq!(Learned::from_json(&written.to_json()).expect("it can be read"), written);
        let error = Learned::from_json("{\"trained_to\": \"x\"}").expect_err("no number");
        assert!(error.to_string().contains("fit it anew"), "{error}");
    }

    #[test]
    fn a_model_with_other_features_is_refused() {
        let other = Learned { rewards: Some(LinUcb::prior(&[0.1; 3], 2.0).evidence().clone()), ..learned() };
        assert!(matches!(Known::new(&other, &Settings::default()), Err(LearnedError::OtherFeatures)));
    }

    #[test]
    fn other_weights_at_the_beginning_shift_what_was_learned_and_the_same_do_not() {
        let (present, other) = (Settings::default(), Settings { level: 0.25, interests: 0.45, ..Settings::default() });
        let fresh = Known::new(&Learned::default(), &present).expect("it fits");
        let shifted = fresh.beginning_with(&other, &present);
        for (weight, expected) in shifted.rewards.weights().iter().zip(features::prior(&other)) {
            assert!((weight - expected).abs() < 1e-12);
        }
        assert_eq!(fresh.beginning_with(&present, &present).rewards, fresh.rewards);
    }

    #[test]
    fn popularity_is_above_the_mean_below_it_or_not_known() {
        let known = Known::new(&learned(), &Settings::default()).expect("it fits");
        assert!((known.popularity(&content("a")) - (60.0 - 54.0) / 100.0).abs() < 1e-12);
        assert!((known.popularity(&content("b")) + 6.0 / 20.0).abs() < 1e-12);
        assert!(known.popularity(&content("c")).abs() < 1e-12 && known.popularity(&content("gone")).abs() < 1e-12);
    }
}
