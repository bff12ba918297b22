//! The parameters of the platform's skills, fitted to the answers in its log.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write as _,
};

use baeum_domain::{
    ids::UserId,
    level::Skill,
    progress::knowledge_tracing::{self, Parameters, Tracing},
};
use sha2::{Digest, Sha256};

use super::{Answer, Options, fit};

/// Learners whom a skill must have been asked of.
pub const FEWEST_LEARNERS: usize = 20;
/// Answers that a skill must have.
pub const FEWEST_ANSWERS: usize = 200;

/// Whether each answer of a learner was right, by skill, in the order of the log.
pub type Answers = BTreeMap<UserId, BTreeMap<Skill, Vec<bool>>>;

/// Why nothing was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasteryError {
    /// No skill was answered often enough.
    #[error(
        "no skill has {FEWEST_ANSWERS} answers of {FEWEST_LEARNERS} learners yet (the most: {answers} answers): fit later"
    )]
    TooFew {
        /// The answers of the skill that has the most.
        answers: usize,
    },
}

/// Fits the skills that have answers enough, and says how much better learners are foretold who were not fitted to:
/// every other learner by a fit to the others, both ways.
///
/// # Errors
/// When no skill has answers enough.
pub fn fit_mastery(
    answers: &Answers,
    before: &Tracing,
    input_position: i64,
) -> Result<knowledge_tracing::Fit, MasteryError> {
    let mut skills: BTreeMap<Skill, Vec<&[bool]>> = BTreeMap::new();
    for (skill, sequence) in answers.values().flatten().filter(|(_, sequence)| !sequence.is_empty()) {
        skills.entry(*skill).or_default().push(sequence);
    }
    let size = |sequences: &[&[bool]]| sequences.iter().map(|it| it.len()).sum::<usize>();
    let most = skills.values().map(|it| size(it)).max().unwrap_or(0);
    skills.retain(|_, it| it.len() >= FEWEST_LEARNERS && size(it) >= FEWEST_ANSWERS);
    if skills.is_empty() {
        return Err(MasteryError::TooFew { answers: most });
    }
    let (mut losses, mut losses_before) = (0.0, 0.0);
    for (skill, sequences) in &skills {
        for half in 0..2 {
            let part = |mine: bool| sequences.iter().enumerate().filter(move |(at, _)| (at % 2 == half) == mine);
            let fitted = fit_skill(part(true).map(|(_, it)| *it));
            for (_, sequence) in part(false) {
                losses += loss(fitted, sequence);
                losses_before += loss(before.of(*skill), sequence);
            }
        }
    }
    let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    let total = skills.values().map(|it| size(it)).sum::<usize>();
    let learners = answers.values().filter(|own| own.keys().any(|skill| skills.contains_key(skill))).count();
    let skills: BTreeMap<_, _> =
        skills.into_iter().map(|(skill, sequences)| (skill, fit_skill(sequences.into_iter()))).collect();
    Ok(knowledge_tracing::Fit {
        input_position,
        learners: count(learners),
        answers: count(total),
        log_loss: losses / f64::from(count(total)),
        log_loss_before: losses_before / f64::from(count(total)),
        parameters_hash: hash(&skills),
        skills,
    })
}

fn fit_skill<'a>(sequences: impl Iterator<Item = &'a [bool]>) -> Parameters {
    let sequences: Vec<Vec<Answer>> =
        sequences.map(|it| it.iter().map(|right| Answer { item: 0, right: *right }).collect()).collect();
    fit(&sequences, 1, &Options::default()).skill
}

/// The negative logarithm of the probability of the answers, each foretold from those before it, in nats.
fn loss(parameters: Parameters, sequence: &[bool]) -> f64 {
    let (mut known, mut loss) = (parameters.initial, 0.0);
    for right in sequence {
        let probability = parameters.right(known);
        loss -= libm::log(if *right { probability } else { 1.0 - probability });
        known = parameters.next(parameters.after(known, f64::from(u8::from(*right))));
    }
    loss
}

fn hash(skills: &BTreeMap<Skill, Parameters>) -> String {
    let mut hasher = Sha256::new();
    for (skill, Parameters { initial, learn, forget, guess, slip }) in skills {
        hasher.update(skill.to_string());
        for value in [initial, learn, forget, guess, slip] {
            hasher.update(value.to_bits().to_le_bytes());
        }
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Adds an answer.
pub fn add(answers: &mut Answers, learner: UserId, skill: Skill, right: bool) {
    match answers.entry(learner).or_default().entry(skill) {
        Entry::Vacant(none) => {
            none.insert(vec![right]);
        }
        Entry::Occupied(mut some) => some.get_mut().push(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::random::Rng;
    use baeum_domain::progress::knowledge_tracing::UNFITTED;
    use uuid::Uuid;

    const TRUTH: Parameters = Parameters { initial: 0.2, learn: 0.2, forget: 0.02, guess: 0.1, slip: 0.05 };

    fn simulated(learners: u128, length: usize) -> Answers {
        let mut random = Rng(7);
        let mut answers = Answers::new();
        for learner in 0..learners {
            let mut knows = random.uniform() < TRUTH.initial;
            for _ in 0..length {
                let right = random.uniform() < if knows { 1.0 - TRUTH.slip } else { TRUTH.guess };
                add(&mut answers, UserId(Uuid::from_u128(learner)), Skill::Writing, right);
                knows = random.uniform() < if knows { 1.0 - TRUTH.forget } else { TRUTH.learn };
            }
        }
        answers
    }

    #[test]
    fn a_fit_finds_the_parameters_and_foretells_others_better_than_what_was_supposed() {
        let fit = fit_mastery(&simulated(400, 20), &Tracing::default(), 9).expect("a fit");
        let writing = fit.skills[&Skill::Writing];
        for (found, truth) in [
            (writing.initial, TRUTH.initial),
            (writing.learn, TRUTH.learn),
            (writing.guess, TRUTH.guess),
            (writing.slip, TRUTH.slip),
        ] {
            assert!((found - truth).abs() < 0.05, "{writing:?}");
        }
        assert!(fit.log_loss < fit.log_loss_before, "{fit:?}");
        assert_eq!((fit.input_position, fit.learners, fit.answers), (9, 400, 8_000));
    }

    #[test]
    fn the_same_answers_give_the_same_bits() {
        let fit = || fit_mastery(&simulated(60, 10), &Tracing::default(), 1).expect("a fit");
        assert_eq!(fit().parameters_hash, fit().parameters_hash);
        assert_ne!(fit().skills[&Skill::Writing], UNFITTED);
    }

    #[test]
    fn too_few_answers_are_said_to_be_too_few() {
        let error = fit_mastery(&simulated(19, 50), &Tracing::default(), 1).expect_err("19 learners");
        assert_eq!(error, MasteryError::TooFew { answers: 950 });
        assert!(fit_mastery(&Answers::new(), &Tracing::default(), 1).is_err());
    }
}
