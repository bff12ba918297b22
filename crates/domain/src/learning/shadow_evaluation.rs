//! What a model in the shadow says of an attempt that another has evaluated.
//!
//! One instance an attempt and model: recorded once. It is part of no lesson, so that no learner is shown it and nothing
//! is decided by it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::evaluation::{ModelRef, Verdict};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{AttemptId, LessonId, UserId, derive_id},
    level::Skill,
};

/// The id of what a model says of an attempt.
pub fn id_of(attempt: AttemptId, model: &ModelRef) -> Uuid {
    derive_id(&["shadow_evaluation", &attempt.to_string(), &model.model_id, &model.weights_hash])
}

/// What the learner was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// By which model.
    pub model: ModelRef,
    /// The score, 0 to 1.
    pub score: f64,
    /// Whether it reached the pass mark.
    pub passed: bool,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A model in the shadow evaluated an attempt.
    ShadowEvaluated {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// The skill that it trains.
        skill: Skill,
        /// What the model found.
        verdict: Verdict,
        /// Whether its score reached the pass mark.
        passed: bool,
        /// What the learner was shown instead.
        shown: Shown,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// Whether it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowEvaluation {
    /// Set once recorded.
    pub recorded: bool,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Record what the model found.
    Record {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// The skill that it trains.
        skill: Skill,
        /// What the model found.
        verdict: Verdict,
        /// What the learner was shown.
        shown: Shown,
    },
}

/// Why a command is refused: none is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

impl Decider for ShadowEvaluation {
    const AGGREGATE: &'static str = "shadow_evaluation";
    const CONTEXT: &'static str = "learning";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Record { lesson_id, learner_id, attempt_id, skill, verdict, shown } = command;
        if self.recorded {
            return Ok(vec![]);
        }
        let passed = verdict.score >= super::lesson::PASS_SCORE;
        Ok(vec![Event::ShadowEvaluated { lesson_id, learner_id, attempt_id, skill, verdict, passed, shown }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ShadowEvaluated { .. } => self.recorded = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    #[test]
    fn what_a_shadow_says_is_recorded_once() {
        let (lesson_id, learner_id) = (LessonId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let (attempt_id, skill) = (AttemptId(Uuid::from_u128(3)), Skill::Writing);
        let verdict = |score| Verdict {
            score,
            spans: vec![],
            model_id: "shadow".into(),
            weights_hash: "00".into(),
            latency_us: 5,
            meaning: None,
        };
        let model = ModelRef { model_id: "shown".into(), weights_hash: "01".into() };
        let shown = Shown { model, score: 0.7, passed: true };
        let record = |score| Command::Record {
            lesson_id,
            learner_id,
            attempt_id,
            skill,
            verdict: verdict(score),
            shown: shown.clone(),
        };
        let (found, passed) = (verdict(0.5), false);
        let recorded = Event::ShadowEvaluated {
            lesson_id,
            learner_id,
            attempt_id,
            skill,
            verdict: found,
            passed,
            shown: shown.clone(),
        };
        given::<ShadowEvaluation>([]).when(record(0.5)).then([recorded.clone()]);
        given::<ShadowEvaluation>([recorded]).when(record(0.9)).then([]);
    }
}
