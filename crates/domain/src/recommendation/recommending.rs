//! The port of the recommender.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    assessment::testing::Weakness,
    identity::user::Preferences,
    ids::{ClipId, Focus, RecommendationId, TitleId, Topic},
    learning::curriculum::Curriculum,
    level::Cefr,
    recommendation::taste::Taste,
};

/// Something that can be recommended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Content {
    /// A drama or film.
    Title(TitleId),
    /// A short clip.
    Clip(ClipId),
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Title(id) => write!(f, "title {id}"),
            Self::Clip(id) => write!(f, "clip {id}"),
        }
    }
}

/// Why something is recommended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum Reason {
    /// It is at the learner's level, or a step from it.
    Level(Cefr),
    /// It is about something that the learner likes.
    Interest(Topic),
    /// It trains something that the learner is weak in.
    Weakness(Weakness),
    /// It trains something that is due for review.
    Review(Focus),
}

/// A title with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredTitle {
    /// The title.
    pub title_id: TitleId,
    /// How well it was expected to go down, 0 to 1.
    pub score: f64,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The probability that it was put in this place, given what stands above it: above 0, at most 1. None where that
    /// was not recorded.
    pub propensity: Option<f64>,
}

/// A clip with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredClip {
    /// The clip.
    pub clip_id: ClipId,
    /// How well it was expected to go down, 0 to 1.
    pub score: f64,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The probability that it was put in this place, given what stands above it: above 0, at most 1. None where that
    /// was not recorded.
    pub propensity: Option<f64>,
}

/// What a recommendation is made from. It is kept with the choice, so that another policy can be asked the same question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecommendationInput {
    /// The learner's level.
    pub level: Cefr,
    /// What to work on.
    pub weaknesses: Vec<Weakness>,
    /// What the learner likes.
    pub interests: BTreeSet<Topic>,
    /// Clips that were seen already.
    pub seen: Vec<ClipId>,
    /// What the learner opened or finished of what was recommended, the latest last.
    pub liked: Vec<Content>,
    /// What they sent away.
    pub dismissed: Vec<Content>,
    /// What is due for review. Empty where nothing is, or reviews are not scheduled.
    pub due: Vec<Focus>,
}

impl RecommendationInput {
    /// What is known of a learner with this curriculum and taste.
    pub fn of(preferences: &Preferences, curriculum: &Curriculum, taste: &Taste) -> Self {
        Self {
            // A lesson is only made from a level; without one the middle is the safest guess.
            level: curriculum.level.unwrap_or(Cefr::B1),
            weaknesses: curriculum.weaknesses.clone(),
            interests: preferences.interests.clone(),
            seen: curriculum.seen.clone(),
            liked: taste.liked(),
            dismissed: taste.dismissed(),
            due: vec![],
        }
    }
}

/// What is recommended, in the order of places.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Titles to watch.
    pub titles: Vec<ScoredTitle>,
    /// Clips to go on with.
    pub clips: Vec<ScoredClip>,
}

/// Recommends. Implementations are deterministic: what they draw, they draw from the id, so that the same id and input
/// give the same ranking.
pub trait Recommender: Send + Sync {
    /// Titles and clips for a learner.
    fn recommend(&self, id: RecommendationId, input: &RecommendationInput) -> Ranking;

    /// Which recommender this is.
    fn model_id(&self) -> &str;

    /// SHA-256, in hexadecimal, of everything that it has learned and is set to.
    fn weights_hash(&self) -> &str;
}
