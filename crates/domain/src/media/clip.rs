//! A short clip, as it stands in the catalogue.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ClipId, Focus, TaskId, Topic},
    learning::planning::TaskKind,
    level::{Cefr, Skill},
};

/// A clip of one to three minutes with its transcript and tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Its name.
    pub id: ClipId,
    /// What it is called.
    pub title: String,
    /// The level at which it can be followed.
    pub level: Cefr,
    /// What it is about.
    pub topics: Vec<Topic>,
    /// What it trains most.
    pub skills: Vec<Skill>,
    /// Grammar points and sub-skills in it.
    pub focus: Vec<Focus>,
    /// Its length in milliseconds, 60,000 to 180,000.
    pub duration_ms: u32,
    /// What happens, in a sentence.
    pub synopsis: String,
    /// The transcript, in order.
    pub segments: Vec<Segment>,
    /// What to say and write afterwards.
    pub tasks: Vec<Task>,
}

/// A stretch of speech with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Where it begins, in milliseconds.
    pub start_ms: u32,
    /// Where it ends.
    pub end_ms: u32,
    /// What is said.
    pub text: String,
    /// The same in Korean.
    pub gloss: String,
}

/// A speaking or writing task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// How it is answered.
    pub kind: TaskKind,
    /// What to do.
    pub prompt: String,
    /// What it trains.
    pub focus: Focus,
    /// The least number of words of an answer.
    pub min_words: u32,
    /// A good answer.
    pub sample: String,
    /// Texts that mean what an answer has to mean, at most [`MAX_REFERENCES`], where the clip determines it; none where
    /// answers may mean many things. The sample is none of them unless it is repeated here.
    #[serde(default)]
    pub references: Vec<String>,
}

/// How many references a task can have.
pub const MAX_REFERENCES: usize = 5;
/// The longest reference, in Unicode scalar values: about as much as a model of meaning reads.
pub const MAX_REFERENCE: usize = 1_000;
