//! The port of the adaptive test: from answers so far to ability, next item and report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{Focus, ItemId},
    level::{Cefr, Skill},
};

/// An answer that was given to an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// The item.
    pub item: ItemId,
    /// Whether the answer was right.
    pub correct: bool,
}

/// An ability with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ability {
    /// Ability in logits; 0 is the middle of the population.
    pub theta: f64,
    /// Standard error of theta in logits.
    pub standard_error: f64,
}

/// The item to ask next, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    /// The item.
    pub item: ItemId,
    /// The skill that it tests.
    pub skill: Skill,
    /// The ability at which it was chosen, in logits.
    pub theta: f64,
    /// Fisher information of the item at that ability, per squared logit.
    pub information: f64,
}

/// How well one skill was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SkillEstimate {
    /// The skill.
    pub skill: Skill,
    /// Ability from the items of this skill alone, shrunk towards the whole test's.
    pub ability: Ability,
    /// Items answered.
    pub answered: u32,
    /// Of them right.
    pub correct: u32,
}

/// What to work on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Weakness {
    /// The skill.
    pub skill: Skill,
    /// The grammar point or sub-skill that was missed.
    pub focus: Focus,
}

/// What a finished test says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelReport {
    /// Ability over all skills.
    pub ability: Ability,
    /// The band that theta falls into.
    pub band: Cefr,
    /// Ability per skill, in the order of [`Skill`].
    pub skills: Vec<SkillEstimate>,
    /// What was missed, the most telling first, at most six.
    pub weaknesses: Vec<Weakness>,
}

/// An adaptive test over a bank of items. Implementations are deterministic: the same answers lead to the same item.
pub trait AdaptiveTest: Send + Sync {
    /// Ability after `responses`.
    fn ability(&self, responses: &[Response]) -> Ability;

    /// The item to ask after `responses`, or `None` when the bank is exhausted. `seed` varies what is asked between
    /// sittings that would otherwise be the same.
    fn next(&self, responses: &[Response], seed: u64) -> Option<Selection>;

    /// The report on `responses`.
    fn report(&self, responses: &[Response]) -> LevelReport;
}
