//! Bayesian knowledge tracing (Corbett & Anderson, 1995).
//!
//! Of each skill a learner either has it or not. A learner who has it answers rightly but for slips; one who has it not is
//! right by guessing. After every answer it may be learned, and, other than in the original, forgotten (Khajah, Lindsey
//! & Mozer, 2016: without forgetting a learner who knew a skill once knows it for ever). Items of a skill may have
//! guesses and slips of their own (Pardos & Heffernan, 2011).
//!
//! [`Parameters`] filters answers as they come; [`fit()`] finds the parameters. Sums have one order and logarithms are
//! `libm`'s: the same answers give the same bits.

mod em;

pub use em::{Answer, Fit, Options, fit};

/// What is known of one skill, the same for every learner. All are probabilities.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
}

/// `part / whole`, and what was believed before where the whole is impossible.
fn ratio(part: f64, whole: f64, before: f64) -> f64 {
    if whole > 0.0 { part / whole } else { before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SKILL: Parameters = Parameters { initial: 0.4, learn: 0.1, forget: 0.05, guess: 0.2, slip: 0.1 };

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
