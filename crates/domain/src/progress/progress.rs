//! The progress of a learner: mastery per skill.
//!
//! Life cycle: one stream a learner; each piece of evidence (a level test, an evaluated attempt) moves it on.
//! Invariants: evidence is taken in the order of the log, each piece once; mastery lies strictly between 0 and 1.
//!
//! Mastery is the mean of a Beta distribution over the probability that the learner does well in the skill at their
//! level, with exponential forgetting: before each new piece of evidence both counts shrink by [`MEMORY`], so that about
//! the last 1 / (1 − MEMORY) = 20 pieces count (discounted Beta-Bernoulli filter; West & Harrison, *Bayesian Forecasting
//! and Dynamic Models*, 1997, ch. 6 on discounting).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::{Focus, UserId},
    level::Skill,
};

/// How much of earlier evidence is kept when a new piece arrives.
pub const MEMORY: f64 = 0.95;
/// How many pieces of evidence a level test is worth.
pub const LEVEL_TEST_WEIGHT: f64 = 5.0;

/// What is known of one skill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mastery {
    /// Evidence for mastery, at least 1.
    pub successes: f64,
    /// Evidence against it, at least 1.
    pub failures: f64,
}

impl Default for Mastery {
    fn default() -> Self {
        Self { successes: 1.0, failures: 1.0 }
    }
}

impl Mastery {
    /// The probability of doing well, between 0 and 1.
    pub fn mean(self) -> f64 {
        self.successes / (self.successes + self.failures)
    }

    fn after(self, outcome: f64, weight: f64) -> Self {
        // One success and one failure are never forgotten: they keep the mean off 0 and 1.
        let keep = |count: f64| 1.0 + (count - 1.0) * MEMORY;
        Self {
            successes: keep(self.successes) + outcome * weight,
            failures: keep(self.failures) + (1.0 - outcome) * weight,
        }
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
    /// How many pieces of evidence it is worth, above 0.
    pub weight: f64,
}

/// What can have happened to a learner's progress.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Evidence was taken in.
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
    },
}

impl DomainEvent for Event {
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
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Evidence that says nothing.
    #[error("the evidence at position {0} has an outcome outside 0 to 1 or a weight that is not positive")]
    NotEvidence(i64),
}

impl Decider for Progress {
    const AGGREGATE: &'static str = "progress";
    const CONTEXT: &'static str = "progress";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Observe { learner_id, source_position, source_type, evidence } = command;
        // Evidence arrives in the order of the log; what is at or before the latest was taken in already.
        if source_position <= self.source_position || evidence.is_empty() {
            return Ok(vec![]);
        }
        let sound = |e: &Evidence| (0.0..=1.0).contains(&e.outcome) && e.weight > 0.0 && e.weight.is_finite();
        if !evidence.iter().all(sound) {
            return Err(Error::NotEvidence(source_position));
        }
        let mut mastery = BTreeMap::<Skill, Mastery>::new();
        for piece in &evidence {
            let known = mastery.get(&piece.skill).or(self.mastery.get(&piece.skill)).copied().unwrap_or_default();
            mastery.insert(piece.skill, known.after(piece.outcome, piece.weight));
        }
        Ok(vec![Event::ProgressUpdated { learner_id, source_position, source_type, evidence, mastery }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ProgressUpdated { source_position, mastery, .. } => {
                self.source_position = *source_position;
                self.mastery.extend(mastery.iter().map(|(skill, known)| (*skill, *known)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
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
        }
    }

    fn updated(source_position: i64, outcome: f64, successes: f64, failures: f64) -> Event {
        Event::ProgressUpdated {
            learner_id: LEARNER,
            source_position,
            source_type: "EvaluationCompleted".into(),
            evidence: vec![evidence(outcome)],
            mastery: BTreeMap::from([(Skill::Writing, Mastery { successes, failures })]),
        }
    }

    #[test]
    fn evidence_moves_mastery() {
        given::<Progress>([]).when(observe(10, 1.0)).then([updated(10, 1.0, 2.0, 1.0)]);
    }

    #[test]
    fn old_evidence_is_not_taken_in_again() {
        given::<Progress>([updated(10, 1.0, 2.0, 1.0)]).when(observe(10, 1.0)).then([]);
        given::<Progress>([updated(10, 1.0, 2.0, 1.0)]).when(observe(9, 0.0)).then([]);
    }

    #[test]
    fn evidence_outside_its_range_is_refused() {
        given::<Progress>([]).when(observe(10, 1.5)).then_refused("outside 0 to 1");
        given::<Progress>([]).when(observe(10, f64::NAN)).then_refused("outside 0 to 1");
    }

    #[test]
    fn mastery_follows_what_the_learner_does_now_and_never_reaches_certainty() {
        let mut known = Mastery::default();
        for _ in 0..200 {
            known = known.after(1.0, 1.0);
        }
        assert!(known.mean() > 0.9 && known.mean() < 1.0);
        for _ in 0..40 {
            known = known.after(0.0, 1.0);
        }
        assert!(known.mean() < 0.25 && known.mean() > 0.0);
    }
}
