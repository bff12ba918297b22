//! An attempt that was taken in without a verdict is evaluated.
//!
//! `EvaluationDeferred` → evaluate → `EvaluationCompleted` → done. An instance is an attempt. While the model cannot be
//! asked the command is put off and sent again, for as long as it takes: it has no end of time.

use std::time::Duration;

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{AnyEvent, Recorded, ids::UserId, learning::lesson::Event};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct DeferredEvaluation;

/// What an instance remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// Whose attempt it is that was deferred; none for one that was evaluated at once.
    pub learner: Option<UserId>,
}

impl Process for DeferredEvaluation {
    const NAME: &'static str = "deferred_evaluation";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["EvaluationDeferred", "EvaluationCompleted"];
    type State = Deferred;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Lesson(
                Event::EvaluationDeferred { attempt_id, .. } | Event::EvaluationCompleted { attempt_id, .. },
            ) => Some(attempt_id.to_string()),
            _ => None,
        }
    }

    fn react(deferred: &Deferred, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Lesson(Event::EvaluationDeferred { learner_id, lesson_id, attempt_id, .. }) => {
                let (learner_id, lesson_id, attempt_id) = (*learner_id, *lesson_id, *attempt_id);
                let command = ProcessCommand::EvaluateAttempt { learner_id, lesson_id, attempt_id };
                vec![Effect::Send { step: "evaluate", command }]
            }
            AnyEvent::Lesson(Event::EvaluationCompleted { .. }) if deferred.learner.is_some() => vec![Effect::Finish],
            _ => vec![],
        }
    }

    fn evolve(deferred: &mut Deferred, event: &Recorded<AnyEvent>) {
        if let AnyEvent::Lesson(Event::EvaluationDeferred { learner_id, .. }) = &event.payload {
            deferred.learner = Some(*learner_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        ids::{AttemptId, LessonId},
        learning::evaluation::{DeferralReason, Verdict},
        level::Skill,
    };
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};

    const MINA: UserId = UserId(Uuid::from_u128(1));
    const LESSON: LessonId = LessonId(Uuid::from_u128(2));
    const ATTEMPT: AttemptId = AttemptId(Uuid::from_u128(3));

    fn deferred() -> Event {
        Event::EvaluationDeferred {
            lesson_id: LESSON,
            learner_id: MINA,
            attempt_id: ATTEMPT,
            task_id: "cafe-w1".parse().expect("a task"),
            reason: DeferralReason::Overloaded,
            assignment: None,
        }
    }

    fn evaluated() -> Event {
        Event::EvaluationCompleted {
            lesson_id: LESSON,
            learner_id: MINA,
            attempt_id: ATTEMPT,
            task_id: "cafe-w1".parse().expect("a task"),
            skill: Skill::Writing,
            focus: "articles".parse().expect("a focus"),
            verdict: Verdict {
                score: 0.5,
                spans: vec![],
                model_id: "test".into(),
                weights_hash: "00".into(),
                latency_us: 1,
                meaning: None,
            },
            passed: false,
            assignment: None,
        }
    }

    #[test]
    fn a_deferred_attempt_is_evaluated_and_then_done() {
        let effects = play::<DeferredEvaluation>(&[recorded(1, deferred()), recorded(2, evaluated())]);
        let command = ProcessCommand::EvaluateAttempt { learner_id: MINA, lesson_id: LESSON, attempt_id: ATTEMPT };
        assert_eq!(effects, [vec![Effect::Send { step: "evaluate", command }], vec![Effect::Finish]]);
    }

    #[test]
    fn an_attempt_that_was_evaluated_at_once_leads_to_nothing_and_leaves_nothing_to_remember() {
        assert_eq!(play::<DeferredEvaluation>(&[recorded(1, evaluated())]), [vec![]]);
        let mut state = Deferred::default();
        DeferredEvaluation::evolve(&mut state, &recorded(1, evaluated()));
        assert_eq!(state, Deferred::default());
    }
}
