//! While a model is in the shadow, it is asked about each written answer that another has evaluated.
//!
//! `ShadowStarted` → for each `EvaluationCompleted`: ask → … → `ShadowStopped`. An instance is a tenant, since a shadow
//! is: it remembers the model, so that nothing is sent while there is none, and never ends. Questions of a tenant are
//! asked one after the other; what the model does not answer is left out.

use std::time::Duration;

use baeum_commands::{dispatch::ProcessCommand, learning::shadow_evaluate::ShadowQuestion};
use baeum_domain::{
    AnyEvent, Recorded,
    learning::{evaluation::ModelRef, evaluator_deployment, lesson::Event, shadow_evaluation::Shown},
    level::Skill,
};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The process.
pub struct ShadowEvaluation;

/// What an instance remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// The model in the shadow.
    pub model: Option<ModelRef>,
}

impl Process for ShadowEvaluation {
    const NAME: &'static str = "shadow_evaluation";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["ShadowStarted", "ShadowStopped", "EvaluationCompleted"];
    type State = Shadow;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::EvaluatorDeployment(_) => Some(event.tenant.clone()),
            AnyEvent::Lesson(Event::EvaluationCompleted { skill: Skill::Writing, .. }) => Some(event.tenant.clone()),
            _ => None,
        }
    }

    fn react(shadow: &Shadow, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let Some(model) = &shadow.model else { return vec![] };
        let AnyEvent::Lesson(Event::EvaluationCompleted { lesson_id, learner_id, attempt_id, verdict, passed, .. }) =
            &event.payload
        else {
            return vec![];
        };
        let shown = ModelRef { model_id: verdict.model_id.clone(), weights_hash: verdict.weights_hash.clone() };
        if shown == *model {
            return vec![];
        }
        let question = ShadowQuestion {
            learner_id: *learner_id,
            lesson_id: *lesson_id,
            attempt_id: *attempt_id,
            model: model.clone(),
            shown: Shown { model: shown, score: verdict.score, passed: *passed },
        };
        vec![Effect::Send { step: "ask", command: ProcessCommand::ShadowEvaluate(question) }]
    }

    fn evolve(shadow: &mut Shadow, event: &Recorded<AnyEvent>) {
        match &event.payload {
            AnyEvent::EvaluatorDeployment(evaluator_deployment::Event::ShadowStarted { model, .. }) => {
                shadow.model = Some(model.clone());
            }
            AnyEvent::EvaluatorDeployment(evaluator_deployment::Event::ShadowStopped { .. }) => shadow.model = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        ids::{AttemptId, LessonId, UserId},
        learning::evaluation::Verdict,
    };
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};

    fn model(name: &str) -> ModelRef {
        ModelRef { model_id: name.into(), weights_hash: "00".into() }
    }

    fn evaluated(by: &str, skill: Skill) -> Event {
        Event::EvaluationCompleted {
            lesson_id: LessonId(Uuid::from_u128(2)),
            learner_id: UserId(Uuid::from_u128(1)),
            attempt_id: AttemptId(Uuid::from_u128(3)),
            task_id: "cafe-w1".parse().expect("a task"),
            skill,
            focus: "articles".parse().expect("a focus"),
            verdict: Verdict {
                score: 0.5,
                spans: vec![],
                model_id: by.into(),
                weights_hash: "00".into(),
                latency_us: 1,
                meaning: None,
            },
            passed: false,
            assignment: None,
        }
    }

    fn started() -> evaluator_deployment::Event {
        evaluator_deployment::Event::ShadowStarted { skill: Skill::Writing, model: model("shadow") }
    }

    fn stopped() -> evaluator_deployment::Event {
        evaluator_deployment::Event::ShadowStopped { skill: Skill::Writing, model: model("shadow") }
    }

    #[test]
    fn a_shadow_is_asked_about_written_answers_while_it_is_there() {
        let question = ShadowQuestion {
            learner_id: UserId(Uuid::from_u128(1)),
            lesson_id: LessonId(Uuid::from_u128(2)),
            attempt_id: AttemptId(Uuid::from_u128(3)),
            model: model("shadow"),
            shown: Shown { model: model("shown"), score: 0.5, passed: false },
        };
        let ask = Effect::Send { step: "ask", command: ProcessCommand::ShadowEvaluate(question) };
        let effects = play::<ShadowEvaluation>(&[
            recorded(1, evaluated("shown", Skill::Writing)),
            recorded(2, started()),
            recorded(3, evaluated("shown", Skill::Writing)),
            recorded(4, evaluated("shadow", Skill::Writing)),
            recorded(5, evaluated("shown", Skill::Speaking)),
            recorded(6, stopped()),
            recorded(7, evaluated("shown", Skill::Writing)),
        ]);
        // What was spoken concerns no instance.
        assert_eq!(effects, [vec![], vec![], vec![ask], vec![], vec![], vec![]]);
    }
}
