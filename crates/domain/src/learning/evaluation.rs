//! The port of the evaluator, and the verdict that it gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::level::Cefr;

/// What kind of mistake a span is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ErrorCategory {
    /// Subject and verb, or determiner and noun, do not agree.
    Agreement,
    /// An article is wrong, missing or too many.
    Article,
    /// A preposition is wrong, missing or too many.
    Preposition,
    /// The tense or form of a verb is wrong.
    Tense,
    /// A noun has the wrong number.
    NounNumber,
    /// Another word is meant.
    WordChoice,
    /// A word is misspelled.
    Spelling,
    /// Words stand in the wrong order.
    Order,
    /// Something is wrong that the model does not name.
    Unspecified,
}

/// A part of the answer that is likely wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorSpan {
    /// Where it begins, in Unicode scalar values from 0.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// What kind of mistake.
    pub category: ErrorCategory,
    /// Probability of a mistake here, 0 to 1.
    pub confidence: f64,
    /// What could stand there instead, where one is safe; empty to leave the part out.
    pub suggestion: Option<String>,
}

/// What an evaluator found. It is data: it goes into the event, so that replay never evaluates again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// How acceptable the answer is, 0 to 1.
    pub score: f64,
    /// What is likely wrong, in the order of the text.
    pub spans: Vec<ErrorSpan>,
    /// Which model said so.
    pub model_id: String,
    /// SHA-256 of its weights, lower-case hexadecimal.
    pub weights_hash: String,
    /// How long it took, in microseconds.
    pub latency_us: u32,
}

/// What is to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// What the learner was asked to do.
    pub prompt: &'a str,
    /// What the learner wrote, or the transcript of what they said.
    pub text: &'a str,
    /// The level of the task.
    pub level: Cefr,
}

/// Why no verdict could be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluatorError {
    /// The model failed.
    #[error("evaluator {model_id} failed: {reason}")]
    Failed {
        /// Which model.
        model_id: String,
        /// Why.
        reason: String,
    },
}

/// Evaluates answers. Implementations are deterministic but for the latency that they state.
pub trait Evaluator: Send + Sync {
    /// Evaluates one answer. Blocks the thread for as long as the model computes.
    ///
    /// # Errors
    /// Where the model cannot compute.
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError>;

    /// Which model this is.
    fn model_id(&self) -> &str;

    /// SHA-256 of its weights, lower-case hexadecimal.
    fn weights_hash(&self) -> &str;
}
