//! What a level test looks like on the wire. Answer, discrimination and difficulty of an item never leave the server.

use baeum_commands::assessment::Status;
use baeum_domain::{
    assessment::testing,
    catalog::Catalog,
    ids::{AssessmentId, ItemId},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire::{Level, Skill, Weakness};

/// A level test as it stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssessmentAnswer {
    /// The test.
    pub(crate) assessment_id: Uuid,
    /// Whether it goes on.
    pub(crate) state: AssessmentState,
    /// Items answered.
    pub(crate) answered: u32,
    /// Ability as estimated so far.
    pub(crate) ability: Option<Ability>,
    /// The item that waits for an answer.
    pub(crate) next_item: Option<Item>,
    /// The level, once assessed.
    pub(crate) report: Option<Report>,
}

/// Whether a test goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AssessmentState {
    /// An item waits for an answer.
    InProgress,
    /// It ended with a level.
    Assessed,
    /// The learner left it.
    Abandoned,
}

/// An ability with its uncertainty.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ability {
    /// In logits; 0 is the middle of the population.
    theta: f64,
    /// Standard error, in logits.
    standard_error: f64,
}

/// A multiple-choice item.
#[derive(Serialize, ToSchema)]
pub(crate) struct Item {
    /// Its name.
    id: String,
    /// The skill that it tests.
    skill: Skill,
    /// What is read or heard before the question.
    passage: Option<String>,
    /// The question.
    question: String,
    /// The choices; answer with the place of one, from 0.
    choices: Vec<String>,
}

/// The outcome of a test.
#[derive(Serialize, ToSchema)]
pub(crate) struct Report {
    /// Ability over all skills.
    ability: Ability,
    /// The level.
    band: Level,
    /// How likely each level is, in their order; empty for a test from before this was computed.
    bands: Vec<BandProbability>,
    /// Ability per skill.
    skills: Vec<SkillEstimate>,
    /// What to work on, the most telling first.
    weaknesses: Vec<Weakness>,
}

/// How likely a level is.
#[derive(Serialize, ToSchema)]
pub(crate) struct BandProbability {
    band: Level,
    /// 0 to 1, given the answers and the uncertainty of where levels begin.
    probability: f64,
}

/// How well a skill was shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkillEstimate {
    skill: Skill,
    ability: Ability,
    /// Items answered.
    answered: u32,
    /// Of them right.
    correct: u32,
}

impl Ability {
    /// An ability that was estimated.
    pub(crate) fn new(theta: f64, standard_error: f64) -> Self {
        Self { theta, standard_error }
    }
}

impl From<testing::Ability> for Ability {
    fn from(ability: testing::Ability) -> Self {
        Self::new(ability.theta, ability.standard_error)
    }
}

impl From<testing::LevelReport> for Report {
    fn from(report: testing::LevelReport) -> Self {
        let skill = |it: testing::SkillEstimate| SkillEstimate {
            skill: it.skill.into(),
            ability: it.ability.into(),
            answered: it.answered,
            correct: it.correct,
        };
        let band = |it: testing::BandProbability| BandProbability { band: it.band.into(), probability: it.probability };
        Self {
            ability: report.ability.into(),
            band: report.band.into(),
            bands: report.bands.into_iter().map(band).collect(),
            skills: report.skills.into_iter().map(skill).collect(),
            weaknesses: report.weaknesses.into_iter().map(Into::into).collect(),
        }
    }
}

impl Item {
    /// The item of this name, without what would give it away.
    pub(crate) fn of(catalog: &Catalog, id: &ItemId) -> Option<Self> {
        let item = catalog.items.get(id)?;
        Some(Self {
            id: id.to_string(),
            skill: item.skill.into(),
            passage: item.passage.clone(),
            question: item.question.clone(),
            choices: item.choices.clone(),
        })
    }
}

impl AssessmentAnswer {
    /// The answer to a command.
    pub(crate) fn of(catalog: &Catalog, status: Status) -> Self {
        let Status { assessment_id, answered, ability, next_item, report, abandoned } = status;
        let AssessmentId(assessment_id) = assessment_id;
        Self {
            assessment_id,
            state: match (&report, abandoned) {
                (Some(_), _) => AssessmentState::Assessed,
                (None, true) => AssessmentState::Abandoned,
                (None, false) => AssessmentState::InProgress,
            },
            answered,
            ability: ability.map(Into::into),
            next_item: next_item.and_then(|id| Item::of(catalog, &id)),
            report: report.map(Into::into),
        }
    }
}
