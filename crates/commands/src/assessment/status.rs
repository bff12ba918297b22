//! Where a sitting stands: the answer to every command on it.

use baeum_domain::{
    assessment::{
        assessment::{Assessment, Ending},
        testing::{Ability, LevelReport},
    },
    ids::{AssessmentId, ItemId},
};
use serde::{Deserialize, Serialize};

/// Where a sitting stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The sitting.
    pub assessment_id: AssessmentId,
    /// Items answered.
    pub answered: u32,
    /// Ability so far; `None` before the first answer.
    pub ability: Option<Ability>,
    /// The item that waits for an answer.
    pub next_item: Option<ItemId>,
    /// The report, once assessed.
    pub report: Option<LevelReport>,
    /// Whether the learner left.
    pub abandoned: bool,
}

impl Status {
    pub(super) fn of(assessment_id: AssessmentId, assessment: &Assessment, ability: Option<Ability>) -> Self {
        let sitting = assessment.sitting.as_ref();
        Self {
            assessment_id,
            answered: sitting.map_or(0, |it| u32::try_from(it.responses.len()).unwrap_or(u32::MAX)),
            ability,
            next_item: sitting.and_then(|it| it.current.as_ref()).map(|selection| selection.item.clone()),
            report: sitting.and_then(|it| match &it.ending {
                Some(Ending::Assessed(report)) => Some(report.clone()),
                Some(Ending::Abandoned) | None => None,
            }),
            abandoned: sitting.is_some_and(|it| it.ending == Some(Ending::Abandoned)),
        }
    }
}

/// What varies the items between sittings that would otherwise be the same.
pub(super) fn seed(assessment_id: AssessmentId) -> u64 {
    assessment_id.0.as_u64_pair().1
}
