//! Each evaluation of whom they are counted for takes one: of the plan's allowance, then of bought credits.
//!
//! An instance is a person; it remembers whether they ever had an allowance, so that nothing is sent for those who never
//! subscribed, and never ends.

use std::time::Duration;

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{AnyEvent, Recorded, learning::lesson, subscription::credits};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct EvaluationCharging;

/// What an instance remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    /// Whether the person ever had an allowance.
    pub ever: bool,
}

impl Process for EvaluationCharging {
    const NAME: &'static str = "evaluation_charging";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["AllowanceGranted", "EvaluationCompleted"];
    type State = Metered;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::CreditBalance(credits::Event::AllowanceGranted { subscriber, .. }) => {
                Some(subscriber.to_string())
            }
            AnyEvent::Lesson(lesson::Event::EvaluationCompleted { learner_id, .. }) => Some(learner_id.to_string()),
            _ => None,
        }
    }

    fn react(metered: &Metered, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        match &event.payload {
            AnyEvent::Lesson(lesson::Event::EvaluationCompleted { learner_id, attempt_id, .. }) if metered.ever => {
                let (subscriber, attempt_id, at) = (*learner_id, *attempt_id, event.recorded_at);
                let command = ProcessCommand::ChargeEvaluation { subscriber, attempt_id, at };
                vec![Effect::Send { step: "charge", command }]
            }
            _ => vec![],
        }
    }

    fn evolve(metered: &mut Metered, event: &Recorded<AnyEvent>) {
        metered.ever |= matches!(&event.payload, AnyEvent::CreditBalance(_));
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        ids::{AttemptId, LessonId, UserId},
        learning::evaluation::Verdict,
        level::Skill,
    };
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};

    const MINA: UserId = UserId(Uuid::from_u128(1));

    fn evaluated(attempt: u128) -> lesson::Event {
        lesson::Event::EvaluationCompleted {
            lesson_id: LessonId(Uuid::from_u128(2)),
            learner_id: MINA,
            attempt_id: AttemptId(Uuid::from_u128(attempt)),
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
            passed: true,
            assignment: None,
        }
    }

    fn granted() -> credits::Event {
        let (from, until) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        credits::Event::AllowanceGranted { subscriber: MINA, units: 10, used: 0, from, until }
    }

    #[test]
    fn evaluations_count_from_the_first_allowance_on() {
        let history = [recorded(1, evaluated(1)), recorded(2, granted()), recorded(3, evaluated(2))];
        let (subscriber, attempt_id) = (MINA, AttemptId(Uuid::from_u128(2)));
        let command = ProcessCommand::ChargeEvaluation { subscriber, attempt_id, at: DateTime::UNIX_EPOCH };
        let charge = Effect::Send { step: "charge", command };
        assert_eq!(play::<EvaluationCharging>(&history), [vec![], vec![], vec![charge]]);
    }
}
