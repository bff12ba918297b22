//! After a lesson: recommend, then suggest where to watch.
//!
//! `LessonCompleted` → recommend → `RecommendationGenerated` → suggest → `OttContentSuggested` → done.
//! An instance is the recommendation of one lesson.

use std::time::Duration;

use baeum_commands::{dispatch::ProcessCommand, recommendation::recommendation_of};
use baeum_domain::{AnyEvent, Recorded, learning::lesson, recommendation::recommendation};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct LessonCompletion;

/// How far the instance is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The lesson is not completed.
    #[default]
    Waiting,
    /// A recommendation was asked for.
    Recommending,
    /// Where to watch was asked for.
    Suggesting,
    /// Both are there.
    Done,
}

impl Process for LessonCompletion {
    const NAME: &'static str = "lesson_completion";
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(15 * 60));
    const EVENTS: &'static [&'static str] = &["LessonCompleted", "RecommendationGenerated", "OttContentSuggested"];
    type State = Stage;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Lesson(lesson::Event::LessonCompleted { lesson_id, .. }) => {
                Some(recommendation_of(*lesson_id).to_string())
            }
            AnyEvent::Recommendation(
                recommendation::Event::RecommendationGenerated { recommendation_id, .. }
                | recommendation::Event::OttContentSuggested { recommendation_id, .. },
            ) => Some(recommendation_id.to_string()),
            _ => None,
        }
    }

    fn react(stage: &Stage, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match (stage, &event.payload) {
            (Stage::Waiting, AnyEvent::Lesson(lesson::Event::LessonCompleted { lesson_id, learner_id, .. })) => {
                let (learner_id, lesson_id) = (*learner_id, *lesson_id);
                let command = ProcessCommand::GenerateRecommendation { learner_id, lesson_id };
                vec![Effect::Send { step: "recommend", command }]
            }
            (
                Stage::Waiting | Stage::Recommending,
                AnyEvent::Recommendation(recommendation::Event::RecommendationGenerated {
                    learner_id, lesson_id, ..
                }),
            ) => {
                let (learner_id, lesson_id) = (*learner_id, *lesson_id);
                let command = ProcessCommand::SuggestWatchOptions { learner_id, lesson_id };
                vec![Effect::Send { step: "suggest", command }]
            }
            (
                Stage::Waiting | Stage::Recommending | Stage::Suggesting,
                AnyEvent::Recommendation(recommendation::Event::OttContentSuggested { .. }),
            ) => vec![Effect::Finish],
            _ => vec![],
        }
    }

    fn evolve(stage: &mut Stage, event: &Recorded<AnyEvent>) {
        let reached = match &event.payload {
            AnyEvent::Lesson(lesson::Event::LessonCompleted { .. }) => Stage::Recommending,
            AnyEvent::Recommendation(recommendation::Event::RecommendationGenerated { .. }) => Stage::Suggesting,
            AnyEvent::Recommendation(recommendation::Event::OttContentSuggested { .. }) => Stage::Done,
            _ => return,
        };
        if (reached as u8) > (*stage as u8) {
            *stage = reached;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::{play, recorded};
    use baeum_domain::ids::{LessonId, UserId};
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
            mean_score: 0.8,
            active_ms: 1000,
            local_date: NaiveDate::from_ymd_opt(2026, 3, 1).expect("a valid date"),
        }
    }

    fn generated() -> recommendation::Event {
        recommendation::Event::RecommendationGenerated {
            recommendation_id: recommendation_of(LESSON),
            learner_id: LEARNER,
            lesson_id: LESSON,
            model_id: "test".into(),
            titles: vec![],
            clips: vec![],
            policy: None,
        }
    }

    fn suggested() -> recommendation::Event {
        recommendation::Event::OttContentSuggested {
            recommendation_id: recommendation_of(LESSON),
            learner_id: LEARNER,
            country: "KR".parse().expect("a valid country"),
            watch_options: vec![],
        }
    }

    #[test]
    fn a_completed_lesson_leads_to_a_recommendation_and_where_to_watch() {
        let effects =
            play::<LessonCompletion>(&[recorded(1, completed()), recorded(2, generated()), recorded(3, suggested())]);
        assert_eq!(
            effects,
            [
                vec![Effect::Send {
                    step: "recommend",
                    command: ProcessCommand::GenerateRecommendation { learner_id: LEARNER, lesson_id: LESSON },
                }],
                vec![Effect::Send {
                    step: "suggest",
                    command: ProcessCommand::SuggestWatchOptions { learner_id: LEARNER, lesson_id: LESSON },
                }],
                vec![Effect::Finish],
            ]
        );
    }

    #[test]
    fn all_events_of_a_lesson_meet_in_one_instance() {
        let instances: Vec<_> = [recorded(1, completed()), recorded(2, generated()), recorded(3, suggested())]
            .iter()
            .map(LessonCompletion::instance)
            .collect();
        assert!(instances.iter().all(|it| it.is_some() && *it == instances[0]));
    }

    #[test]
    fn an_event_that_comes_again_leads_to_nothing() {
        let effects = play::<LessonCompletion>(&[
            recorded(1, completed()),
            recorded(2, generated()),
            recorded(2, generated()),
            recorded(3, suggested()),
            recorded(3, suggested()),
        ]);
        assert_eq!((effects[2].len(), effects[4].len()), (0, 0));
    }
}
