//! The progress of a learner: mastery per skill.
//!
//! Life cycle: one stream a learner; each piece of evidence (a level test, an evaluated attempt) moves it on.
//! Invariants: evidence is taken in the order of the log, each piece once; mastery lies strictly between 0 and 1.
//!
//! Mastery is the probability of a right answer by Bayesian knowledge tracing with the parameters in force
//! ([`super::knowledge_tracing`]): the learner has the skill with some probability, each piece of evidence moves it by
//! Bayes' rule, and between answers it may be learned or forgotten.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::knowledge_tracing::{Parameters, Tracing};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{Focus, UserId},
    level::Skill,
};

/// How many answers a level test is worth.
pub const LEVEL_TEST_WEIGHT: f64 = 5.0;
/// The most answers that one piece of evidence is worth.
pub const MOST_WEIGHT: f64 = 100.0;

/// What is known of one skill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mastery {
    /// The probability that the learner has the skill, 0 to 1.
    pub known: f64,
    /// The probability that the next answer is right, strictly between 0 and 1.
    pub expected: f64,
}

impl Mastery {
    /// After a piece of evidence that is worth `weight` answers. What happens between answers happens once.
    fn after(known: Option<Self>, parameters: Parameters, outcome: f64, weight: f64) -> Self {
        let mut belief = known.map_or(parameters.initial, |it| it.known);
        let mut left = weight;
        loop {
            belief = parameters.after(belief, outcome);
            left -= 1.0;
            if left < 0.5 {
                break;
            }
        }
        let known = parameters.next(belief);
        Self { known, expected: parameters.right(known) }
    }

    /// From version 1 of the event, a forgetting count of successes and failures: its mean is what was expected, and the
    /// skill is known as far as that takes with a guess of .25 and a slip of .15.
    fn of_version_1(successes: f64, failures: f64) -> Self {
        let expected = successes / (successes + failures);
        Self { known: ((expected - 0.25) / 0.6).clamp(0.0, 1.0), expected }
    }
}

/// A piece of evidence about one skill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The skill.
    pub skill: Skill,
    /// The grammar point or sub-skill, where it is one.
    pub focus: Option<Focus>,
    /// How well it went, 0 to 1.
    pub outcome: f64,
    /// How many answers it is worth, above 0 and at most 100; whole ones count.
    pub weight: f64,
}

/// What can have happened to a learner's progress.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Evidence was taken in. Version 1 kept a forgetting count of successes and failures.
    ProgressUpdated {
        /// Whose progress.
        learner_id: UserId,
        /// Position in the log of the event that gave the evidence.
        source_position: i64,
        /// Its type, for instance `EvaluationCompleted`.
        source_type: String,
        /// The evidence.
        evidence: Vec<Evidence>,
        /// What is now known of each skill that the evidence is about.
        mastery: BTreeMap<Skill, Mastery>,
        /// Which fit of the parameters it is by; 0 for those that a build carries.
        tracing_version: u32,
    },
}

impl DomainEvent for Event {
    const VERSIONS: &'static [(&'static str, u16)] = &[("ProgressUpdated", 2)];

    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The progress of a learner, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Position of the latest evidence.
    pub source_position: i64,
    /// What is known of each skill.
    pub mastery: BTreeMap<Skill, Mastery>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Take evidence in.
    Observe {
        /// Whose progress.
        learner_id: UserId,
        /// Position in the log of the event that gives the evidence.
        source_position: i64,
        /// Its type.
        source_type: String,
        /// The evidence.
        evidence: Vec<Evidence>,
        /// The parameters in force.
        #[serde(default)]
        tracing: Tracing,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Evidence that says nothing.
    #[error(
        "the evidence at position {0} has an outcome outside 0 to 1 or a weight that is not above 0 and at most {MOST_WEIGHT}"
    )]
    NotEvidence(i64),
}

impl Decider for Progress {
    const AGGREGATE: &'static str = "progress";
    const CONTEXT: &'static str = "progress";
    const SNAPSHOT_VERSION: u16 = 2;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Observe { learner_id, source_position, source_type, evidence, tracing } = command;
        // Evidence arrives in the order of the log; what is at or before the latest was taken in already.
        if source_position <= self.source_position || evidence.is_empty() {
            return Ok(vec![]);
        }
        let sound = |e: &Evidence| (0.0..=1.0).contains(&e.outcome) && e.weight > 0.0 && e.weight <= MOST_WEIGHT;
        if !evidence.iter().all(sound) {
            return Err(Error::NotEvidence(source_position));
        }
        let mut mastery = BTreeMap::<Skill, Mastery>::new();
        for piece in &evidence {
            let known = mastery.get(&piece.skill).or(self.mastery.get(&piece.skill)).copied();
            let parameters = tracing.of(piece.skill);
            mastery.insert(piece.skill, Mastery::after(known, parameters, piece.outcome, piece.weight));
        }
        let tracing_version = tracing.version;
        Ok(vec![Event::ProgressUpdated {
            learner_id,
            source_position,
            source_type,
            evidence,
            mastery,
            tracing_version,
        }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ProgressUpdated { source_position, mastery, .. } => {
                self.source_position = *source_position;
                self.mastery.extend(mastery.iter().map(|(skill, known)| (*skill, *known)));
            }
        }
    }

    fn upcast(event_type: &str, version: u16, payload: &Value) -> Option<Value> {
        if (event_type, version) != ("ProgressUpdated", 1) {
            return None;
        }
        let mut payload = payload.clone();
        for known in payload.get_mut("mastery")?.as_object_mut()?.values_mut() {
            let lifted = Mastery::of_version_1(known.get("successes")?.as_f64()?, known.get("failures")?.as_f64()?);
            *known = serde_json::to_value(lifted).ok()?;
        }
        payload.as_object_mut()?.insert("tracing_version".into(), 0.into());
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{progress::knowledge_tracing::UNFITTED, spec::given};
    use uuid::Uuid;

    const LEARNER: UserId = UserId(Uuid::from_u128(1));

    fn evidence(outcome: f64) -> Evidence {
        Evidence { skill: Skill::Writing, focus: None, outcome, weight: 1.0 }
    }

    fn observe(source_position: i64, outcome: f64) -> Command {
        Command::Observe {
            learner_id: LEARNER,
            source_position,
            source_type: "EvaluationCompleted".into(),
            evidence: vec![evidence(outcome)],
            tracing: Tracing { version: 3, skills: BTreeMap::from([(Skill::Writing, EVEN)]) },
        }
    }

    fn updated(source_position: i64, outcome: f64, known: f64, expected: f64) -> Event {
        Event::ProgressUpdated {
            learner_id: LEARNER,
            source_position,
            source_type: "EvaluationCompleted".into(),
            evidence: vec![evidence(outcome)],
            mastery: BTreeMap::from([(Skill::Writing, Mastery { known, expected })]),
            tracing_version: 3,
        }
    }

    /// Numbers that come out even.
    const EVEN: Parameters = Parameters { initial: 0.5, learn: 0.5, forget: 0.25, guess: 0.25, slip: 0.25 };

    #[test]
    fn evidence_moves_mastery_by_the_parameters_in_force() {
        // Right: known .5 · .75 / .5 = .75, after learning and forgetting .75 · .75 + .25 · .5 = .6875.
        given::<Progress>([]).when(observe(10, 1.0)).then([updated(10, 1.0, 0.6875, 0.59375)]);
        // Wrong: .5 · .25 / .5 = .25, then .25 · .75 + .75 · .5 = .5625.
        given::<Progress>([]).when(observe(10, 0.0)).then([updated(10, 0.0, 0.5625, 0.53125)]);
    }

    #[test]
    fn old_evidence_is_not_taken_in_again() {
        given::<Progress>([updated(10, 1.0, 0.6875, 0.59375)]).when(observe(10, 1.0)).then([]);
        given::<Progress>([updated(10, 1.0, 0.6875, 0.59375)]).when(observe(9, 0.0)).then([]);
    }

    #[test]
    fn evidence_outside_its_range_is_refused() {
        given::<Progress>([]).when(observe(10, 1.5)).then_refused("outside 0 to 1");
        given::<Progress>([]).when(observe(10, f64::NAN)).then_refused("outside 0 to 1");
    }

    #[test]
    fn mastery_follows_what_the_learner_does_now_and_never_reaches_certainty() {
        let step = |known, outcome| Mastery::after(Some(known), UNFITTED, outcome, 1.0);
        let first = Mastery::after(None, UNFITTED, 1.0, 1.0);
        let good = (1..200).fold(first, |known, _| step(known, 1.0));
        assert!(good.expected > 0.8 && good.expected < 1.0 && good.known < 1.0);
        let poor = (0..40).fold(good, |known, _| step(known, 0.0));
        assert!(poor.expected < 0.4 && poor.expected > 0.0 && poor.known > 0.0);
    }

    #[test]
    fn a_level_test_counts_as_several_answers() {
        let once = Mastery::after(None, UNFITTED, 1.0, 1.0);
        let test = Mastery::after(None, UNFITTED, 1.0, LEVEL_TEST_WEIGHT);
        assert!(test.known > once.known);
        assert_eq!(once, Mastery::after(None, UNFITTED, 1.0, 0.4));
    }

    #[test]
    fn a_forgetting_count_of_version_1_is_lifted_to_what_it_expected() {
        let stored = serde_json::json!({
            "learner_id": LEARNER, "source_position": 10, "source_type": "EvaluationCompleted",
            "evidence": [{ "skill": "writing", "focus": null, "outcome": 1.0, "weight": 1.0 }],
            "mastery": { "writing": { "successes": 3.0, "failures": 1.0 } },
        });
        let lifted = Progress::upcast("ProgressUpdated", 1, &stored).expect("an upcaster");
        let read = serde_json::from_value(serde_json::json!({ "ProgressUpdated": lifted })).expect("version 2");
        let Event::ProgressUpdated { mastery, tracing_version, .. } = read;
        let writing = mastery[&Skill::Writing];
        assert!((writing.expected - 0.75).abs() < 1e-15 && (writing.known - 0.5 / 0.6).abs() < 1e-15);
        assert!((UNFITTED.right(writing.known) - 0.75).abs() < 1e-12, "the next answer goes on from there");
        assert_eq!((tracing_version, Progress::upcast("ProgressUpdated", 2, &stored)), (0, None));
    }
}
