//! The port of the recommender.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    assessment::testing::Weakness,
    identity::user::Preferences,
    ids::{ClipId, TitleId, Topic},
    learning::curriculum::Curriculum,
    level::Cefr,
};

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
}

/// A title with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredTitle {
    /// The title.
    pub title_id: TitleId,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A clip with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredClip {
    /// The clip.
    pub clip_id: ClipId,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What a recommendation is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct RecommendationInput {
    /// The learner's level.
    pub level: Cefr,
    /// What to work on.
    pub weaknesses: Vec<Weakness>,
    /// What the learner likes.
    pub interests: BTreeSet<Topic>,
    /// Clips that were seen already.
    pub seen: Vec<ClipId>,
}

impl RecommendationInput {
    /// What is known of a learner with this curriculum.
    pub fn of(preferences: &Preferences, curriculum: &Curriculum) -> Self {
        Self {
            // A lesson is only made from a level; without one the middle is the safest guess.
            level: curriculum.level.unwrap_or(Cefr::B1),
            weaknesses: curriculum.weaknesses.clone(),
            interests: preferences.interests.clone(),
            seen: curriculum.seen.clone(),
        }
    }
}

/// What is recommended, the best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Titles to watch.
    pub titles: Vec<ScoredTitle>,
    /// Clips to go on with.
    pub clips: Vec<ScoredClip>,
}

/// Recommends. Implementations are deterministic.
pub trait Recommender: Send + Sync {
    /// The best titles and clips for a learner.
    fn recommend(&self, input: &RecommendationInput) -> Ranking;

    /// Which recommender this is.
    fn model_id(&self) -> &str;
}
