//! The port of the lesson planner: from level, weaknesses and interests to clips and tasks.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    assessment::testing::Weakness,
    ids::{ClipId, Focus, TaskId, Topic},
    level::{Cefr, Skill},
};

/// How an answer to a task is given.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TaskKind {
    /// Typed.
    Writing,
    /// Spoken; the client sends the transcript.
    Speaking,
}

impl TaskKind {
    /// The skill that it trains.
    pub fn skill(self) -> Skill {
        match self {
            Self::Writing => Skill::Writing,
            Self::Speaking => Skill::Speaking,
        }
    }
}

/// A clip of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedClip {
    /// The clip.
    pub clip_id: ClipId,
    /// Its length in milliseconds.
    pub duration_ms: u32,
    /// How many transcript segments it has.
    pub segments: u32,
}

/// A task of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedTask {
    /// The task.
    pub task_id: TaskId,
    /// The clip that it is about, watched before.
    pub clip_id: ClipId,
    /// How it is answered.
    pub kind: TaskKind,
    /// What it trains.
    pub focus: Focus,
    /// The least number of words of an answer.
    pub min_words: u32,
}

/// The clips and tasks of a lesson, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LessonPlan {
    /// The level that it was made for.
    pub level: Cefr,
    /// What to watch, at least one.
    pub clips: Vec<PlannedClip>,
    /// What to say and write, at least one.
    pub tasks: Vec<PlannedTask>,
    /// How many of the tasks must have been attempted before the lesson can be completed.
    pub required_attempts: u32,
}

/// What a plan is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanningInput {
    /// The learner's level.
    pub level: Cefr,
    /// What to work on, the most telling first.
    pub weaknesses: Vec<Weakness>,
    /// What the learner likes.
    pub interests: BTreeSet<Topic>,
    /// Clips of earlier lessons, the latest last; they are chosen again only when nothing else is left.
    pub seen: Vec<ClipId>,
}

/// Plans lessons. Implementations are deterministic.
pub trait LessonPlanner: Send + Sync {
    /// Plans a lesson, or gives `None` when the catalogue has no clip with tasks at all.
    fn plan(&self, input: &PlanningInput) -> Option<LessonPlan>;
}
