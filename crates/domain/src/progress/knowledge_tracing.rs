//! What is supposed of how learners come to know skills: the parameters of Bayesian knowledge tracing.
//!
//! Life cycle: one stream; each fit replaces the one before. Invariants: a later fit rests on no less of the log than the
//! one before; every parameter is a probability strictly between 0 and 1, and guess and slip are at most one half, since
//! beyond that to have a skill would mean to fail (Baker, Corbett & Aleven, 2008). The parameters are in the event, so a
//! replay fits nothing.
//!
//! The model is that of Corbett & Anderson (1995): of each skill a learner either has it or not. A learner who has it
//! answers rightly but for slips; one who has it not is right by guessing. After every answer it may be learned and,
//! other than in the original, forgotten (Khajah, Lindsey & Mozer, 2016).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    level::Skill,
};

/// The id of the one stream.
pub const SKILLS: &str = "skills";
/// The highest guess and slip of a skill.
pub const MOST_CHANCE: f64 = 0.5;
/// What is supposed of a skill before anything was fitted. Set by hand; it is also what a fit is drawn to.
pub const UNFITTED: Parameters = Parameters { initial: 0.4, learn: 0.1, forget: 0.02, guess: 0.25, slip: 0.15 };

/// What is supposed of one skill, the same for every learner. All are probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    /// That a learner has it before the first answer.
    pub initial: f64,
    /// That a learner who has it not has it at the next answer.
    pub learn: f64,
    /// That a learner who has it has it no more at the next answer.
    pub forget: f64,
    /// That a learner who has it not answers rightly.
    pub guess: f64,
    /// That a learner who has it answers wrongly.
    pub slip: f64,
}

impl Parameters {
    /// The probability of a right answer, where the skill is there with probability `known`.
    pub fn right(self, known: f64) -> f64 {
        known * (1.0 - self.slip) + (1.0 - known) * self.guess
    }

    /// The probability that the skill was there when an answer was given that was worth `outcome`, 0 (wrong) to 1
    /// (right). Between them both cases are mixed: evidence that is itself uncertain (Jeffrey, 1965).
    pub fn after(self, known: f64, outcome: f64) -> f64 {
        let right = self.right(known);
        let if_right = ratio(known * (1.0 - self.slip), right, known);
        let if_wrong = ratio(known * self.slip, 1.0 - right, known);
        outcome * if_right + (1.0 - outcome) * if_wrong
    }

    /// The probability that the skill is there at the next answer.
    pub fn next(self, known: f64) -> f64 {
        known * (1.0 - self.forget) + (1.0 - known) * self.learn
    }

    /// The same skill, asked by an item with these guesses and slips.
    #[must_use]
    pub fn of_item(self, (guess, slip): (f64, f64)) -> Self {
        Self { guess, slip, ..self }
    }

    fn is_sound(self) -> bool {
        let between = |value: f64, most: f64| value > 0.0 && value <= most;
        [self.initial, self.learn, self.forget].into_iter().all(|it| between(it, 1.0 - f64::EPSILON))
            && between(self.guess, MOST_CHANCE)
            && between(self.slip, MOST_CHANCE)
    }
}

/// `part / whole`, and what was believed before where the whole is impossible.
fn ratio(part: f64, whole: f64, before: f64) -> f64 {
    if whole > 0.0 { part / whole } else { before }
}

/// The parameters in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracing {
    /// Which fit it is, from 1; 0 before the first.
    pub version: u32,
    /// The skills that were fitted.
    pub skills: BTreeMap<Skill, Parameters>,
}

impl Tracing {
    /// The parameters of a skill: the fitted, or [`UNFITTED`].
    pub fn of(&self, skill: Skill) -> Parameters {
        self.skills.get(&skill).copied().unwrap_or(UNFITTED)
    }
}

/// Parameters of skills, with what they rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fit {
    /// Position of the last event of the log that it rests on.
    pub input_position: i64,
    /// How many learners' answers it rests on.
    pub learners: u32,
    /// How many answers.
    pub answers: u32,
    /// Mean negative logarithm of the probability of what learners answered who were not fitted to, by these parameters.
    pub log_loss: f64,
    /// The same by the parameters that were in force before.
    pub log_loss_before: f64,
    /// SHA-256 of the parameters of every skill, lower-case hexadecimal.
    pub parameters_hash: String,
    /// The skills that had answers enough. The others keep what they had.
    pub skills: BTreeMap<Skill, Parameters>,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The parameters were fitted to the answers of the log. Mastery goes on by them from here.
    KnowledgeTracingFitted {
        /// Which fit it is, from 1.
        version: u32,
        /// What was found.
        fit: Fit,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The parameters, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeTracing {
    /// The parameters in force.
    pub tracing: Tracing,
    /// Where the latest fit's input ended.
    pub input_position: i64,
    /// The hash of its parameters.
    pub parameters_hash: String,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Go on by these parameters.
    Fit(Fit),
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It says nothing.
    #[error("the fit has no skills: fit once there are answers")]
    NoSkills,
    /// A later one is there.
    #[error("the fit rests on the log up to position {given}, and one up to {known} is there: fit again")]
    Stale {
        /// Where its input ends.
        given: i64,
        /// Where that of the latest one ends.
        known: i64,
    },
    /// A parameter is none.
    #[error("{0} has a parameter that is not between 0 and 1, or a guess or slip above one half")]
    OutOfRange(Skill),
}

impl Decider for KnowledgeTracing {
    const AGGREGATE: &'static str = "knowledge_tracing";
    const CONTEXT: &'static str = "progress";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Fit(fit) = command;
        if self.tracing.version > 0
            && fit.input_position == self.input_position
            && fit.parameters_hash == self.parameters_hash
        {
            return Ok(vec![]);
        }
        if fit.skills.is_empty() {
            return Err(Error::NoSkills);
        }
        if fit.input_position < self.input_position {
            return Err(Error::Stale { given: fit.input_position, known: self.input_position });
        }
        if let Some((skill, _)) = fit.skills.iter().find(|(_, parameters)| !parameters.is_sound()) {
            return Err(Error::OutOfRange(*skill));
        }
        Ok(vec![Event::KnowledgeTracingFitted { version: self.tracing.version + 1, fit }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::KnowledgeTracingFitted { version, fit } => {
                self.tracing.version = *version;
                self.tracing.skills.extend(&fit.skills);
                self.input_position = fit.input_position;
                self.parameters_hash.clone_from(&fit.parameters_hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use proptest::prelude::*;

    const SKILL: Parameters = Parameters { initial: 0.4, learn: 0.1, forget: 0.05, guess: 0.2, slip: 0.1 };

    fn fit(input_position: i64, slip: f64) -> Fit {
        Fit {
            input_position,
            learners: 40,
            answers: 400,
            log_loss: 0.4,
            log_loss_before: 0.5,
            parameters_hash: slip.to_string(),
            skills: BTreeMap::from([(Skill::Writing, Parameters { slip, ..SKILL })]),
        }
    }

    fn fitted(version: u32, input_position: i64, slip: f64) -> Event {
        Event::KnowledgeTracingFitted { version, fit: fit(input_position, slip) }
    }

    #[test]
    fn fits_are_counted_and_the_same_one_is_not_recorded_again() {
        let ask = |position, slip| Command::Fit(fit(position, slip));
        given::<KnowledgeTracing>([]).when(ask(10, 0.1)).then([fitted(1, 10, 0.1)]);
        given::<KnowledgeTracing>([fitted(1, 10, 0.1)]).when(ask(20, 0.2)).then([fitted(2, 20, 0.2)]);
        given::<KnowledgeTracing>([fitted(1, 10, 0.1)]).when(ask(10, 0.1)).then([]);
    }

    #[test]
    fn what_is_no_fit_is_refused() {
        given::<KnowledgeTracing>([fitted(1, 10, 0.1)])
            .when(Command::Fit(fit(9, 0.2)))
            .then_refused("up to 10 is there");
        for wrong in [0.0, 0.51, f64::NAN] {
            given::<KnowledgeTracing>([]).when(Command::Fit(fit(10, wrong))).then_refused("writing has a parameter");
        }
        let empty = Fit { skills: BTreeMap::new(), ..fit(10, 0.1) };
        given::<KnowledgeTracing>([]).when(Command::Fit(empty)).then_refused("no skills");
    }

    #[test]
    fn a_skill_that_was_not_fitted_keeps_what_is_supposed_of_all() {
        let tracing = KnowledgeTracing::fold(&[fitted(1, 10, 0.1)]).tracing;
        assert_eq!((tracing.of(Skill::Writing), tracing.of(Skill::Reading)), (SKILL, UNFITTED));
        assert!(UNFITTED.is_sound());
    }

    #[test]
    fn bayes_rule_by_hand() {
        assert!((SKILL.right(0.4) - 0.48).abs() < 1e-15);
        assert!((SKILL.after(0.4, 1.0) - 0.36 / 0.48).abs() < 1e-15);
        assert!((SKILL.after(0.4, 0.0) - 0.04 / 0.52).abs() < 1e-15);
        assert!((SKILL.next(0.5) - 0.525).abs() < 1e-15);
    }

    #[test]
    fn an_answer_that_was_impossible_leaves_the_belief() {
        let sure = Parameters { guess: 0.0, slip: 0.0, ..SKILL };
        assert!((sure.after(1.0, 0.0) - 1.0).abs() < f64::EPSILON);
        assert!(sure.after(0.0, 1.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn beliefs_are_probabilities_and_rise_with_the_outcome(
            known in 0.0..=1.0, outcome in 0.0..=1.0, guess in 0.0..=0.5, slip in 0.0..=0.5,
        ) {
            let skill = SKILL.of_item((guess, slip));
            let after = skill.after(known, outcome);
            prop_assert!((0.0..=1.0).contains(&after) && (0.0..=1.0).contains(&skill.next(after)));
            prop_assert!(skill.after(known, 1.0) + 1e-12 >= after && after + 1e-12 >= skill.after(known, 0.0));
            prop_assert!((0.0..=1.0).contains(&skill.right(known)));
        }
    }
}
