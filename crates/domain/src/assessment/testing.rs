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
    /// Whether it counts towards the ability; an answer to a pretest item does not.
    pub scored: bool,
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
    /// Why this item.
    pub reason: SelectionReason,
}

/// Why an item was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SelectionReason {
    /// It was chosen before reasons were recorded (version 1 of the event).
    Unrecorded,
    /// It tells much about the ability, and exposure control lets this sitting see it.
    Information {
        /// Its place by information among the items that could be asked, from 1.
        rank: u32,
        /// Among how many of the first of them the seed drew.
        drawn_from: u32,
        /// How many items that tell more exposure control kept from this sitting.
        held_back: u32,
    },
    /// It tells much about the ability, and exposure control had left none that could be asked.
    ExposureRelaxed {
        /// Its place by information among the items that could be asked, from 1.
        rank: u32,
        /// Among how many of the first of them the seed drew.
        drawn_from: u32,
    },
    /// Its parameters are to be learned from the answer, which does not count.
    Pretest,
}

impl SelectionReason {
    /// Whether the answer counts towards the ability.
    pub fn is_scored(self) -> bool {
        self != Self::Pretest
    }
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

/// How likely a band is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BandProbability {
    /// The band.
    pub band: Cefr,
    /// The probability that the ability lies in it, 0 to 1, given the answers and the uncertainty of the cut scores.
    pub probability: f64,
}

/// What a report was computed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestModel {
    /// The name of the procedure and its version.
    pub model_id: String,
    /// SHA-256 of the parameters of every item of the bank, lower-case hexadecimal.
    pub parameters_hash: String,
}

/// What a finished test says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelReport {
    /// Ability over all skills.
    pub ability: Ability,
    /// The band that theta falls into.
    pub band: Cefr,
    /// The probability of every band, in their order; empty in a report from before they were computed.
    #[serde(default)]
    pub bands: Vec<BandProbability>,
    /// Ability per skill, in the order of [`Skill`].
    pub skills: Vec<SkillEstimate>,
    /// What was missed, the most telling first, at most six.
    pub weaknesses: Vec<Weakness>,
    /// What it was computed with; none in a report from before that was recorded.
    #[serde(default)]
    pub model: Option<TestModel>,
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
