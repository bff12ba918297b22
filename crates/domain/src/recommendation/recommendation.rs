//! What was recommended to a learner after one lesson.
//!
//! Life cycle: generated, then completed with where to watch. Invariants: each happens once, in this order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recommending::{Content, RecommendationInput, ScoredClip, ScoredTitle};
use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::Country,
    ids::{ClipId, LessonId, RecommendationId, TitleId, UserId},
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

/// How a choice came about: what is needed to ask later what another policy would have chosen, and how well it would
/// have done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// SHA-256 of everything that the recommender had learned and was set to, in hexadecimal.
    pub weights_hash: String,
    /// What was known of the learner.
    pub made_from: RecommendationInput,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "events are read once and matched at once")]
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
        /// Titles, in the order of places.
        titles: Vec<ScoredTitle>,
        /// Clips, in the order of places.
        clips: Vec<ScoredClip>,
        /// How they were chosen; none where that was not recorded.
        policy: Option<Policy>,
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
    const VERSIONS: &'static [(&'static str, u16)] = &[("RecommendationGenerated", 2)];

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
    /// The titles, in the order of places.
    pub titles: Vec<TitleId>,
    /// The clips, in the order of places.
    pub clips: Vec<ClipId>,
}

impl Generated {
    /// Whether this was recommended.
    pub fn holds(&self, content: &Content) -> bool {
        match content {
            Content::Title(id) => self.titles.contains(id),
            Content::Clip(id) => self.clips.contains(id),
        }
    }
}

/// What can be asked.
#[allow(clippy::large_enum_variant, reason = "a command is decided at once")]
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
        /// Titles, in the order of places.
        titles: Vec<ScoredTitle>,
        /// Clips, in the order of places.
        clips: Vec<ScoredClip>,
        /// How they were chosen.
        policy: Option<Policy>,
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
    const SNAPSHOT_VERSION: u16 = 2;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.generated) {
            (Command::Generate { recommendation_id, learner_id, lesson_id, model_id, titles, clips, policy }, None) => {
                Ok(vec![Event::RecommendationGenerated {
                    recommendation_id,
                    learner_id,
                    lesson_id,
                    model_id,
                    titles,
                    clips,
                    policy,
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
            Event::RecommendationGenerated { learner_id, titles, clips, .. } => {
                self.generated = Some(Generated {
                    learner_id: *learner_id,
                    titles: titles.iter().map(|title| title.title_id.clone()).collect(),
                    clips: clips.iter().map(|clip| clip.clip_id.clone()).collect(),
                });
            }
            Event::OttContentSuggested { .. } => self.suggested = true,
        }
    }

    fn upcast(event_type: &str, version: u16, payload: &Value) -> Option<Value> {
        if (event_type, version) != ("RecommendationGenerated", 1) {
            return None;
        }
        // Version 1 chose the best without chance, from what it did not say.
        let mut payload = payload.clone();
        for list in ["titles", "clips"] {
            for scored in payload.get_mut(list)?.as_array_mut()? {
                scored.as_object_mut()?.insert("propensity".into(), Value::Null);
            }
        }
        payload.as_object_mut()?.insert("policy".into(), Value::Null);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{level::Cefr, recommendation::recommending::Reason, spec::given};
    use serde_json::json;
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
            policy: None,
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

    /// The event as version 1 wrote it.
    fn of_version_1() -> Value {
        json!({
            "recommendation_id": ID, "learner_id": UserId(Uuid::from_u128(1)), "lesson_id": LessonId(Uuid::from_u128(2)),
            "model_id": "content-1", "titles": [{ "title_id": "drama", "score": 0.5, "reasons": [] }],
            "clips": [{ "clip_id": "cafe", "score": 0.25, "reasons": [{ "kind": "level", "of": "B1" }] }],
        })
    }

    fn chosen() -> Event {
        let content = Content::Clip("cafe".parse().expect("a clip id"));
        Event::RecommendationGenerated {
            recommendation_id: ID,
            learner_id: UserId(Uuid::from_u128(1)),
            lesson_id: LessonId(Uuid::from_u128(2)),
            model_id: "bandit-1".into(),
            titles: vec![ScoredTitle {
                title_id: "drama".parse().expect("a title id"),
                score: 0.5,
                reasons: vec![],
                propensity: Some(0.125),
            }],
            clips: vec![],
            policy: Some(Policy {
                weights_hash: "00".into(),
                made_from: RecommendationInput {
                    level: Cefr::B1,
                    weaknesses: vec![],
                    interests: ["travel".parse().expect("a topic")].into(),
                    seen: vec!["cafe".parse().expect("a clip id")],
                    liked: vec![content.clone()],
                    dismissed: vec![],
                    due: vec!["articles".parse().expect("a focus")],
                },
            }),
        }
    }

    fn read(body: &Value) -> Result<Event, serde_json::Error> {
        serde_json::from_value(json!({ "RecommendationGenerated": body }))
    }

    #[test]
    fn a_new_reader_lifts_version_1_without_inventing_how_it_was_chosen() {
        let lifted = Recommendation::upcast("RecommendationGenerated", 1, &of_version_1()).expect("an upcaster");
        let Event::RecommendationGenerated { titles, clips, policy, model_id, .. } = read(&lifted).expect("version 2")
        else {
            panic!("another event")
        };
        assert_eq!((titles[0].propensity, clips[0].propensity, policy), (None, None, None));
        assert_eq!((model_id.as_str(), clips[0].reasons.as_slice()), ("content-1", &[Reason::Level(Cefr::B1)][..]));
        assert_eq!(Recommendation::upcast("RecommendationGenerated", 2, &lifted), None);
        assert_eq!(Recommendation::upcast("OttContentSuggested", 1, &json!({})), None);
    }

    #[test]
    fn a_new_reader_reads_what_it_writes() {
        for event in [generated(), chosen()] {
            let stored = serde_json::to_value(&event).expect("an event is JSON");
            assert_eq!(serde_json::from_value::<Event>(stored).expect("an event"), event);
        }
    }

    /// What the build of version 1 read: unknown fields are passed over, but the log tells it the version, and it stops.
    #[test]
    fn an_old_reader_finds_all_of_version_1_in_version_2() {
        let stored = serde_json::to_value(chosen()).expect("an event is JSON");
        let new = &stored["RecommendationGenerated"];
        for (key, old) in of_version_1().as_object().expect("an object") {
            assert!(new.get(key).is_some(), "{key}");
            if key == "titles" {
                for field in old[0].as_object().expect("a title").keys() {
                    assert!(new[key][0].get(field).is_some(), "{field}");
                }
            }
        }
    }

    #[test]
    fn only_what_was_recommended_is_held() {
        let state = Recommendation::fold([&chosen()]);
        let generated = state.generated.expect("it was generated");
        assert!(generated.holds(&Content::Title("drama".parse().expect("a title id"))));
        assert!(!generated.holds(&Content::Clip("cafe".parse().expect("a clip id"))));
    }
}
