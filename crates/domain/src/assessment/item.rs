//! An item of the level test, as it stands in the catalogue.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Focus, ItemId},
    level::{Cefr, Skill},
};

/// A multiple-choice item with its parameters under the two-parameter logistic model.
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
}
