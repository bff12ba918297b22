//! An item of the level test, as it stands in the catalogue.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Focus, ItemId},
    level::{Cefr, Skill},
};

/// A multiple-choice item with its parameters under the three-parameter logistic model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// The band that it was written for.
    pub level: Cefr,
    /// The skill that it tests.
    pub skill: Skill,
    /// The grammar point or sub-skill that it tests.
    pub focus: Focus,
    /// What is read or heard before the question, if anything.
    pub passage: Option<String>,
    /// The question.
    pub question: String,
    /// 2 to 6 choices.
    pub choices: Vec<String>,
    /// Which choice is right, from 0. Never leaves the server.
    pub answer: u8,
    /// Discrimination `a`, 0.2 to 3.
    pub discrimination: f64,
    /// Difficulty `b` in logits, −4 to 4.
    pub difficulty: f64,
    /// The probability that a sitting which would choose the item may have it, above 0 to 1: its exposure-control
    /// parameter (Sympson & Hetter, 1985), found by simulation (`baeum irt adaptive`).
    #[serde(default = "unlimited")]
    pub exposure: f64,
    /// Whether it is asked only to learn its parameters, without counting.
    #[serde(default)]
    pub pretest: bool,
}

fn unlimited() -> f64 {
    1.0
}

impl Item {
    /// The lower asymptote `c`: the probability that someone who knows nothing takes the right choice.
    pub fn guessing(&self) -> f64 {
        let choices = u8::try_from(self.choices.len()).expect("an item has 2 to 6 choices");
        1.0 / f64::from(choices)
    }
}
