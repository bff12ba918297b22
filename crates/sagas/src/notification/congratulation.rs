//! After a lesson: congratulate, with what was recommended to watch next; after a level test: tell the level.
//!
//! `LessonCompleted` → `RecommendationGenerated` → tell. An instance is the recommendation of one lesson, or one level
//! test. It never times out: where nothing comes to be recommended, that is told by the process that recommends.

use std::{collections::BTreeMap, time::Duration};

use baeum_commands::{
    dispatch::ProcessCommand, notification::request::NotificationRequest, recommendation::recommendation_of,
};
use baeum_domain::{
    AnyEvent, Recorded,
    assessment::assessment,
    learning::lesson,
    notification::{
        notification::Cause,
        template::{LESSON_COMPLETED, LESSON_COMPLETED_ONLY, LEVEL_ASSESSED},
    },
    recommendation::recommendation,
};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct Congratulation;

/// What an instance remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Mean of the best scores of the lesson, 0 to 1, once it is completed.
    pub score: Option<f64>,
}

impl Process for Congratulation {
    const NAME: &'static str = "congratulation";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["LessonCompleted", "RecommendationGenerated", "LevelAssessed"];
    type State = Remembered;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Lesson(lesson::Event::LessonCompleted { lesson_id, .. }) => {
                Some(recommendation_of(*lesson_id).to_string())
            }
            AnyEvent::Recommendation(recommendation::Event::RecommendationGenerated { recommendation_id, .. }) => {
                Some(recommendation_id.to_string())
            }
            AnyEvent::Assessment(assessment::Event::LevelAssessed { assessment_id, .. }) => {
                Some(assessment_id.to_string())
            }
            _ => None,
        }
    }

    fn react(state: &Remembered, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let (spec, learner_id, parameters) = match &event.payload {
            AnyEvent::Recommendation(recommendation::Event::RecommendationGenerated { learner_id, titles, .. }) => {
                let Some(score) = state.score else { return vec![] };
                let score = ("score", score.clamp(0.0, 1.0).to_string());
                match titles.first() {
                    Some(best) => (LESSON_COMPLETED, *learner_id, vec![score, ("title", best.title_id.to_string())]),
                    None => (LESSON_COMPLETED_ONLY, *learner_id, vec![score]),
                }
            }
            AnyEvent::Assessment(assessment::Event::LevelAssessed { learner_id, report, .. }) => {
                (LEVEL_ASSESSED, *learner_id, vec![("level", report.band.to_string())])
            }
            _ => return vec![],
        };
        let request = NotificationRequest {
            learner_id,
            cause: cause(event),
            at: event.recorded_at,
            template: spec.template(),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            days: BTreeMap::new(),
            not_before: None,
        };
        vec![Effect::Send { step: "tell", command: ProcessCommand::RequestNotification(request) }, Effect::Finish]
    }

    fn evolve(state: &mut Remembered, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Lesson(lesson::Event::LessonCompleted { mean_score, .. }) = &event.payload {
            state.score = Some(*mean_score);
        }
    }
}

/// The event that a notification is about.
pub(super) fn cause(event: &Recorded<AnyEvent>) -> Cause {
    Cause { event_id: event.event_id, event_type: event.event_type.clone(), position: event.position }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::{play, recorded};
    use baeum_domain::{
        ids::{LessonId, UserId},
        recommendation::recommending::ScoredTitle,
    };
    use chrono::NaiveDate;
    use uuid::Uuid;

    const LESSON: LessonId = LessonId(Uuid::from_u128(2));
    const LEARNER: UserId = UserId(Uuid::from_u128(1));

    fn completed() -> lesson::Event {
        lesson::Event::LessonCompleted {
            lesson_id: LESSON,
            learner_id: LEARNER,
            clips: 1,
            attempts: 1,
            mean_score: 0.75,
            active_ms: 1000,
            local_date: NaiveDate::from_ymd_opt(2026, 3, 1).expect("a valid date"),
        }
    }

    fn generated(titles: &[&str]) -> recommendation::Event {
        let title = |id: &&str| ScoredTitle {
            title_id: id.parse().expect("an id"),
            score: 0.5,
            reasons: vec![],
            propensity: None,
        };
        recommendation::Event::RecommendationGenerated {
            recommendation_id: recommendation_of(LESSON),
            learner_id: LEARNER,
            lesson_id: LESSON,
            model_id: "test".into(),
            titles: titles.iter().map(title).collect(),
            clips: vec![],
            policy: None,
        }
    }

    fn told(effects: &[Effect]) -> (&str, Vec<(&str, &str)>) {
        let [Effect::Send { command: ProcessCommand::RequestNotification(request), .. }, Effect::Finish] = effects
        else {
            panic!("one is told: {effects:?}");
        };
        (request.template.as_str(), request.parameters.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect())
    }

    #[test]
    fn a_completed_lesson_is_congratulated_on_with_the_best_title() {
        let effects = play::<Congratulation>(&[recorded(1, completed()), recorded(2, generated(&["one", "two"]))]);
        assert_eq!(effects[0], []);
        assert_eq!(told(&effects[1]), ("lesson_completed", vec![("score", "0.75"), ("title", "one")]));
    }

    #[test]
    fn where_nothing_is_recommended_the_lesson_is_congratulated_on_alone() {
        let effects = play::<Congratulation>(&[recorded(1, completed()), recorded(2, generated(&[]))]);
        assert_eq!(told(&effects[1]), ("lesson_completed_only", vec![("score", "0.75")]));
    }
}
