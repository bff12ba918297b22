//! What is known of a content for a learner, as numbers that rewards are modelled by.

use baeum_domain::{
    ids::Topic,
    level::Cefr,
    recommendation::recommending::{Content, RecommendationInput},
};

use super::{
    embedding::{Embeddings, cosine},
    fit::{self, Training},
    learned::Known,
    settings::Settings,
};

/// How many features there are.
pub const FEATURES: usize = 9;

/// What each feature is, in their order.
pub const NAMES: [&str; FEATURES] =
    ["always", "level", "weaknesses", "interests", "likeness", "taste", "popularity", "reviews", "stretch"];

/// How much content that trains what is due for review is preferred before anything was learned.
const REVIEWS: f64 = 0.2;

/// The features of a content for a learner, in the order of [`NAMES`].
///
/// `always` is 1. `level`, `weaknesses` and `interests` are how well it fits (`fit.rs`), 0 to 1. `likeness` is the cosine
/// of its embedding with that of what the learner liked, or saw where nothing was liked yet. `taste` is the preference that
/// collaborative filtering expects, −0.5 to 1.5. `popularity` is how much more (or less) reward it had than the mean, shrunk
/// to 0 where it was seldom shown. `reviews` is the share of what is due that it trains. `stretch` is 1 where it is one band
/// above the learner: what they can follow with help, but not yet alone (Vygotsky's zone of proximal development).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features(pub [f64; FEATURES]);

/// The weights that experts set, for before anything was learned.
pub(crate) fn prior(settings: &Settings) -> [f64; FEATURES] {
    [0.0, settings.level, settings.weaknesses, settings.interests, 0.0, 0.0, 0.0, REVIEWS, 0.0]
}

/// What of a learner all features share.
pub(crate) struct Learner<'a> {
    input: &'a RecommendationInput,
    known: &'a Known,
    embeddings: &'a Embeddings,
    /// The direction of what they liked.
    direction: Vec<f64>,
    /// Their factors.
    factors: Vec<f64>,
}

impl<'a> Learner<'a> {
    pub(crate) fn new(input: &'a RecommendationInput, known: &'a Known, embeddings: &'a Embeddings) -> Self {
        let seen: Vec<_> = input.seen.iter().cloned().map(Content::Clip).collect();
        let direction = embeddings.mean(if input.liked.is_empty() { &seen } else { &input.liked });
        let factors = known.factors_of(&seen, &input.liked);
        Self { input, known, embeddings, direction, factors }
    }

    /// The features of a content for them.
    pub(crate) fn features(
        &self,
        content: &Content,
        level: Cefr,
        topics: &[Topic],
        training: &Training<'_>,
    ) -> Features {
        let likeness = self.embeddings.get(content).map_or(0.0, |vector| cosine(&self.direction, vector));
        Features([
            1.0,
            fit::level(level, self.input.level),
            training.weaknesses(&self.input.weaknesses),
            fit::interests(topics, &self.input.interests),
            likeness,
            self.known.taste(&self.factors, content),
            self.known.popularity(content),
            training.reviews(&self.input.due),
            f64::from(u8::from(level > self.input.level && level.distance(self.input.level) == 1)),
        ])
    }
}
