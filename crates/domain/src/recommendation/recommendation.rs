//! What was recommended to a learner after one lesson.
//!
//! Life cycle: generated, then completed with where to watch. Invariants: each happens once, in this order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recommending::{ScoredClip, ScoredTitle};
use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::Country,
    ids::{LessonId, RecommendationId, TitleId, UserId},
    media::title::Offer,
};

/// Where one title can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WatchOption {
    /// The title.
    pub title_id: TitleId,
    /// The service.
    pub provider: String,
    /// How it is offered.
    pub offer: Offer,
    /// Where to go.
    pub url: String,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Titles and clips were chosen.
    RecommendationGenerated {
        /// This recommendation.
        recommendation_id: RecommendationId,
        /// For whom.
        learner_id: UserId,
        /// After which lesson.
        lesson_id: LessonId,
        /// Which recommender chose.
        model_id: String,
        /// Titles, the best first.
        titles: Vec<ScoredTitle>,
        /// Clips, the best first.
        clips: Vec<ScoredClip>,
    },
    /// Where to watch them was found.
    OttContentSuggested {
        /// This recommendation.
        recommendation_id: RecommendationId,
        /// For whom.
        learner_id: UserId,
        /// In which country.
        country: Country,
        /// Where; titles that nobody offers there are left out.
        watch_options: Vec<WatchOption>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A recommendation, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Set once generated.
    pub generated: Option<Generated>,
    /// Whether it was suggested where to watch.
    pub suggested: bool,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// For whom.
    pub learner_id: UserId,
    /// The titles, the best first.
    pub titles: Vec<TitleId>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Record what was chosen.
    Generate {
        /// This recommendation.
        recommendation_id: RecommendationId,
        /// For whom.
        learner_id: UserId,
        /// After which lesson.
        lesson_id: LessonId,
        /// Which recommender chose.
        model_id: String,
        /// Titles, the best first.
        titles: Vec<ScoredTitle>,
        /// Clips, the best first.
        clips: Vec<ScoredClip>,
    },
    /// Record where to watch.
    Suggest {
        /// This recommendation.
        recommendation_id: RecommendationId,
        /// In which country.
        country: Country,
        /// Where.
        watch_options: Vec<WatchOption>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was generated yet.
    #[error("recommendation {0} was not generated: generate it before suggesting where to watch")]
    NotGenerated(RecommendationId),
}

impl Decider for Recommendation {
    const AGGREGATE: &'static str = "recommendation";
    const CONTEXT: &'static str = "recommendation";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.generated) {
            (Command::Generate { recommendation_id, learner_id, lesson_id, model_id, titles, clips }, None) => {
                Ok(vec![Event::RecommendationGenerated {
                    recommendation_id,
                    learner_id,
                    lesson_id,
                    model_id,
                    titles,
                    clips,
                }])
            }
            (Command::Generate { .. }, Some(_)) => Ok(vec![]),
            (Command::Suggest { recommendation_id, .. }, None) => Err(Error::NotGenerated(recommendation_id)),
            (Command::Suggest { .. }, Some(_)) if self.suggested => Ok(vec![]),
            (Command::Suggest { recommendation_id, country, watch_options }, Some(generated)) => {
                Ok(vec![Event::OttContentSuggested {
                    recommendation_id,
                    learner_id: generated.learner_id,
                    country,
                    watch_options,
                }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::RecommendationGenerated { learner_id, titles, .. } => {
                self.generated = Some(Generated {
                    learner_id: *learner_id,
                    titles: titles.iter().map(|title| title.title_id.clone()).collect(),
                });
            }
            Event::OttContentSuggested { .. } => self.suggested = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    const ID: RecommendationId = RecommendationId(Uuid::from_u128(5));

    fn generated() -> Event {
        Event::RecommendationGenerated {
            recommendation_id: ID,
            learner_id: UserId(Uuid::from_u128(1)),
            lesson_id: LessonId(Uuid::from_u128(2)),
            model_id: "test".into(),
            titles: vec![],
            clips: vec![],
        }
    }

    fn suggest() -> Command {
        Command::Suggest {
            recommendation_id: ID,
            country: "KR".parse().expect("a valid country"),
            watch_options: vec![],
        }
    }

    #[test]
    fn where_to_watch_comes_after_what_to_watch() {
        given::<Recommendation>([]).when(suggest()).then_refused("generate it before");
    }

    #[test]
    fn where_to_watch_is_suggested_once() {
        given::<Recommendation>([generated()]).when(suggest()).then([Event::OttContentSuggested {
            recommendation_id: ID,
            learner_id: UserId(Uuid::from_u128(1)),
            country: "KR".parse().expect("a valid country"),
            watch_options: vec![],
        }]);
    }
}
