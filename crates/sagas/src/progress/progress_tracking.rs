//! From level tests and evaluated attempts to evidence of mastery.
//!
//! An instance is a learner; it remembers nothing and never ends. Commands of an instance are sent in the order of their
//! events, which is what the progress aggregate relies on.

use std::time::Duration;

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{
    AnyEvent, Recorded,
    assessment::assessment,
    learning::lesson,
    progress::{
        knowledge_tracing::Tracing,
        progress::{Command, Evidence, LEVEL_TEST_WEIGHT},
    },
};

use crate::process::{Effect, Process};

/// The process.
pub struct ProgressTracking;

impl Process for ProgressTracking {
    const NAME: &'static str = "progress_tracking";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["LevelAssessed", "EvaluationCompleted"];
    type State = ();

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Assessment(assessment::Event::LevelAssessed { learner_id, .. })
            | AnyEvent::Lesson(lesson::Event::EvaluationCompleted { learner_id, .. }) => Some(learner_id.to_string()),
            _ => None,
        }
    }

    fn react((): &(), event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let (learner_id, evidence) = match &event.payload {
            AnyEvent::Assessment(assessment::Event::LevelAssessed { learner_id, report, .. }) => {
                let overall = report.ability.theta;
                let shown = report.skills.iter().filter(|skill| skill.answered > 0);
                let evidence = shown.map(|skill| Evidence {
                    skill: skill.skill,
                    focus: None,
                    outcome: success_at_level(skill.ability.theta - overall),
                    weight: LEVEL_TEST_WEIGHT,
                });
                (*learner_id, evidence.collect())
            }
            AnyEvent::Lesson(lesson::Event::EvaluationCompleted { learner_id, skill, focus, verdict, .. }) => {
                let outcome = verdict.score.clamp(0.0, 1.0);
                (*learner_id, vec![Evidence { skill: *skill, focus: Some(focus.clone()), outcome, weight: 1.0 }])
            }
            _ => return vec![],
        };
        let (source_position, source_type) = (event.position, event.event_type.clone());
        // The parameters are those in force when it is taken in.
        let tracing = Tracing::default();
        let command = Command::Observe { learner_id, source_position, source_type, evidence, tracing };
        vec![Effect::Send { step: "observe", command: ProcessCommand::Progress(command) }]
    }

    fn evolve((): &mut (), _event: &Recorded<AnyEvent>) {}
}

/// The probability of solving an item of one's own level in a skill that is `lead` logits above one's overall ability:
/// the one-parameter logistic model (Rasch, 1960).
fn success_at_level(lead: f64) -> f64 {
    1.0 / (1.0 + (-lead).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skill_at_the_overall_level_is_half_mastered() {
        assert!((success_at_level(0.0) - 0.5).abs() < 1e-12);
        assert!(success_at_level(1.0) > 0.7 && success_at_level(-1.0) < 0.3);
    }
}
