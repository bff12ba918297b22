//! From mistakes and completed lessons to cards.
//!
//! An instance is a lesson. A task that was answered with mistakes, or not passed, becomes a card when the attempt is
//! evaluated; the clips of the lesson do when it is completed. A card that is there is not added again.

use std::{collections::BTreeSet, time::Duration};

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{
    AnyEvent, Recorded,
    ids::{ClipId, UserId},
    learning::lesson::Event,
    review::deck::{Command, Front, Origin},
};

use crate::process::{Effect, Process};

/// The process.
pub struct CardMaking;

impl Process for CardMaking {
    const NAME: &'static str = "card_making";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] =
        &["ShortClipConsumed", "EvaluationCompleted", "LessonCompleted", "LessonAbandoned"];
    /// The clips that were watched.
    type State = BTreeSet<ClipId>;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Lesson(
                Event::ShortClipConsumed { lesson_id, .. }
                | Event::EvaluationCompleted { lesson_id, .. }
                | Event::LessonCompleted { lesson_id, .. }
                | Event::LessonAbandoned { lesson_id, .. },
            ) => Some(lesson_id.to_string()),
            _ => None,
        }
    }

    fn react(clips: &BTreeSet<ClipId>, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Lesson(Event::EvaluationCompleted {
                learner_id, attempt_id, task_id, verdict, passed, ..
            }) if !passed || !verdict.spans.is_empty() => {
                let categories: BTreeSet<_> = verdict.spans.iter().map(|span| span.category).collect();
                let categories = categories.into_iter().collect();
                let origin = Origin::Mistakes { attempt_id: *attempt_id, categories };
                vec![add(*learner_id, vec![Front::Task { task_id: task_id.clone() }], origin, event)]
            }
            AnyEvent::Lesson(Event::LessonCompleted { learner_id, lesson_id, .. }) => {
                let fronts: Vec<_> = clips.iter().map(|clip_id| Front::Clip { clip_id: clip_id.clone() }).collect();
                let origin = Origin::Lesson { lesson_id: *lesson_id };
                vec![add(*learner_id, fronts, origin, event), Effect::Finish]
            }
            AnyEvent::Lesson(Event::LessonAbandoned { .. }) => vec![Effect::Finish],
            _ => vec![],
        }
    }

    fn evolve(clips: &mut BTreeSet<ClipId>, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Lesson(Event::ShortClipConsumed { clip_id, .. }) = &event.payload {
            clips.insert(clip_id.clone());
        }
    }
}

fn add(learner_id: UserId, fronts: Vec<Front>, origin: Origin, event: &Recorded<AnyEvent>) -> Effect {
    let command = Command::Add { learner_id, fronts, origin, due_at: event.recorded_at };
    Effect::Send { step: "add", command: ProcessCommand::Deck(command) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::{play, recorded};
    use baeum_domain::{
        ids::{AttemptId, LessonId, ViewingId},
        learning::evaluation::{ErrorCategory, ErrorSpan, Verdict},
        level::Skill,
    };
    use chrono::{DateTime, NaiveDate};
    use uuid::Uuid;

    const LESSON: LessonId = LessonId(Uuid::from_u128(2));
    const LEARNER: UserId = UserId(Uuid::from_u128(1));
    const ATTEMPT: AttemptId = AttemptId(Uuid::from_u128(3));

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 1).expect("a valid date")
    }

    fn watched(clip: &str) -> Event {
        Event::ShortClipConsumed {
            lesson_id: LESSON,
            learner_id: LEARNER,
            clip_id: clip.parse().expect("a clip id"),
            viewing_id: ViewingId(Uuid::from_u128(4)),
            watched_ms: 1_000,
            speed_percent: 100,
            repeats: 0,
            to_the_end: true,
            local_date: today(),
        }
    }

    fn evaluated(categories: &[ErrorCategory], passed: bool) -> Event {
        let span = |category| ErrorSpan { start: 0, end: 1, category, confidence: 0.9, suggestion: None };
        Event::EvaluationCompleted {
            lesson_id: LESSON,
            learner_id: LEARNER,
            attempt_id: ATTEMPT,
            task_id: "cafe-w1".parse().expect("a task id"),
            skill: Skill::Writing,
            focus: "articles".parse().expect("a focus"),
            verdict: Verdict {
                score: if passed { 0.9 } else { 0.2 },
                spans: categories.iter().copied().map(span).collect(),
                model_id: "test".into(),
                weights_hash: "00".into(),
                latency_us: 1,
                meaning: None,
            },
            passed,
            assignment: None,
        }
    }

    fn completed() -> Event {
        Event::LessonCompleted {
            lesson_id: LESSON,
            learner_id: LEARNER,
            clips: 2,
            attempts: 1,
            mean_score: 0.8,
            active_ms: 1_000,
            local_date: today(),
        }
    }

    fn fronts(effect: &Effect) -> (Vec<Front>, Origin) {
        let Effect::Send { command: ProcessCommand::Deck(Command::Add { fronts, origin, due_at, learner_id }), .. } =
            effect
        else {
            panic!("no cards: {effect:?}");
        };
        assert_eq!((*learner_id, *due_at), (LEARNER, DateTime::UNIX_EPOCH));
        (fronts.clone(), origin.clone())
    }

    #[test]
    fn a_task_with_mistakes_becomes_a_card_that_says_which_kinds() {
        let kinds = [ErrorCategory::Tense, ErrorCategory::Article, ErrorCategory::Tense];
        let effects = play::<CardMaking>(&[recorded(1, evaluated(&kinds, true))]);
        let (fronts, origin) = fronts(&effects[0][0]);
        assert_eq!(fronts, [Front::Task { task_id: "cafe-w1".parse().expect("a task id") }]);
        let categories = vec![ErrorCategory::Article, ErrorCategory::Tense];
        assert_eq!(origin, Origin::Mistakes { attempt_id: ATTEMPT, categories });
    }

    #[test]
    fn what_was_not_passed_becomes_a_card_and_what_was_right_does_not() {
        let effects = play::<CardMaking>(&[recorded(1, evaluated(&[], false)), recorded(2, evaluated(&[], true))]);
        assert_eq!((effects[0].len(), effects[1].len()), (1, 0));
    }

    #[test]
    fn the_clips_of_a_completed_lesson_become_cards_and_those_of_another_do_not() {
        let effects = play::<CardMaking>(&[
            recorded(1, watched("cafe")),
            recorded(2, watched("bank")),
            recorded(3, watched("cafe")),
            recorded(4, completed()),
        ]);
        let (fronts, origin) = fronts(&effects[3][0]);
        let clip = |name: &str| Front::Clip { clip_id: name.parse().expect("a clip id") };
        assert_eq!(fronts, [clip("bank"), clip("cafe")]);
        assert_eq!((origin, &effects[3][1]), (Origin::Lesson { lesson_id: LESSON }, &Effect::Finish));
        let given_up = Event::LessonAbandoned { lesson_id: LESSON, learner_id: LEARNER };
        let effects = play::<CardMaking>(&[recorded(1, watched("cafe")), recorded(2, given_up)]);
        assert_eq!(effects[1], [Effect::Finish]);
    }
}
