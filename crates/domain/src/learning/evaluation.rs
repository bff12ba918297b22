//! The ports of evaluators, alone and served, and the verdict that they give.

use std::{pin::Pin, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ids::ExperimentId, level::Cefr};

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

/// How near the meaning of an answer is to that of a reference: an estimate by another model than that of the score.
/// Sentences of other grammar, of other order and often of the opposite are near each other too, so nothing is passed or
/// failed by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Meaning {
    /// Cosine of the two embeddings, −1 to 1: the greatest over the references.
    pub similarity: f64,
    /// Which of the task's references is that near, from 0.
    pub reference: u32,
    /// Which model said so.
    pub model: ModelRef,
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
    /// How near its meaning is to what was asked for, where the task says that and a model compares meanings. Never part of
    /// the score. Left out where there is none, so that stored verdicts stay as they were before there were meanings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
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
    /// Texts that mean what the answer has to mean; none where it may mean many things.
    pub references: &'a [String],
}

/// Which model: a name, and the weights under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ModelRef {
    /// Name and version of the model, as verdicts state it.
    pub model_id: String,
    /// SHA-256 of its weights, lower-case hexadecimal; of its settings, where the weights are elsewhere.
    pub weights_hash: String,
}

/// Why a learner's answers are evaluated by one model of several: the arm of an experiment that they were put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its arm, as the experiment names it.
    pub arm: String,
}

/// Why an attempt was taken in before it was evaluated.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeferralReason {
    /// As many answers wait as are let wait.
    Overloaded,
    /// No verdict came in time.
    Late,
    /// The model cannot be reached, or is not loaded.
    Unavailable,
    /// The model failed on this answer.
    Failed,
}

/// What became of the evaluation when an attempt came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    /// There is a verdict.
    Given(Verdict),
    /// There will be one.
    Deferred(DeferralReason),
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
    /// As many answers wait as are let wait.
    #[error("evaluator {model_id} has {waiting} answers waiting, which is the limit: send again later")]
    Overloaded {
        /// Which model.
        model_id: String,
        /// How many wait.
        waiting: usize,
    },
    /// No verdict came in time.
    #[error("evaluator {model_id} gave no verdict within {} ms", patience.as_millis())]
    Late {
        /// Which model.
        model_id: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The model cannot be reached, or is not loaded.
    #[error("evaluator {model_id} is not available: {reason}")]
    Unavailable {
        /// Which model.
        model_id: String,
        /// Why.
        reason: String,
    },
}

impl EvaluatorError {
    /// Why an attempt that met this error waits for its verdict.
    pub fn deferral(&self) -> DeferralReason {
        match self {
            Self::Failed { .. } => DeferralReason::Failed,
            Self::Overloaded { .. } => DeferralReason::Overloaded,
            Self::Late { .. } => DeferralReason::Late,
            Self::Unavailable { .. } => DeferralReason::Unavailable,
        }
    }
}

/// Evaluates answers. Implementations are deterministic but for the latency that they state.
pub trait Evaluator: Send + Sync {
    /// Evaluates one answer. Blocks the thread for as long as the model computes.
    ///
    /// # Errors
    /// Where the model cannot compute.
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError>;

    /// Evaluates answers together, each as [`Self::evaluate`] would to the bit, in their order.
    fn evaluate_batch(&self, answers: &[Answer<'_>]) -> Vec<Result<Verdict, EvaluatorError>> {
        answers.iter().map(|answer| self.evaluate(answer)).collect()
    }

    /// Which model this is.
    fn model_id(&self) -> &str;

    /// SHA-256 of its weights, lower-case hexadecimal.
    fn weights_hash(&self) -> &str;
}

/// What is to be evaluated, by an evaluator that it may have to wait for.
#[derive(Clone, PartialEq)]
pub struct Question {
    /// What the learner was asked to do.
    pub prompt: String,
    /// What the learner wrote, or the transcript of what they said.
    pub text: String,
    /// The level of the task.
    pub level: Cefr,
    /// Texts that mean what the answer has to mean; none where it may mean many things.
    pub references: Vec<String>,
}

impl Question {
    /// The same for an evaluator that computes at once.
    pub fn answer(&self) -> Answer<'_> {
        Answer { prompt: &self.prompt, text: &self.text, level: self.level, references: &self.references }
    }
}

/// A verdict that is on its way.
pub type Evaluating<'a> = Pin<Box<dyn Future<Output = Result<Verdict, EvaluatorError>> + Send + 'a>>;

/// A model that is served: many ask it at once, and none waits longer than they want to.
pub trait ServedEvaluator: Send + Sync {
    /// Evaluates one answer. Gives up after `patience`; the error says how the attempt is deferred.
    fn evaluate(&self, question: Question, patience: Duration) -> Evaluating<'_>;

    /// Which model this is.
    fn model(&self) -> &ModelRef;
}

/// What is known of an installed model beside its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// What kind of model it is, for instance `error-detector`.
    pub kind: String,
    /// The data that it was trained on, each with its licence.
    pub data: Vec<ModelData>,
    /// Figures as its manifest has them.
    pub metrics: serde_json::Value,
    /// The command that made it; empty where it was made elsewhere.
    pub training_command: String,
}

/// Data that a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelData {
    /// Its name.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// Where it is found.
    pub address: String,
}

/// The models that this installation has.
pub trait EvaluatorRegistry: Send + Sync {
    /// The one that every build carries.
    fn built_in(&self) -> Arc<dyn ServedEvaluator>;

    /// A model by its name and weights, where it is installed.
    fn find(&self, model: &ModelRef) -> Option<Arc<dyn ServedEvaluator>>;

    /// All of them, in the order of their names.
    fn models(&self) -> Vec<ModelRef>;

    /// What is known of a model beside its name, where that is more than nothing.
    fn card(&self, model: &ModelRef) -> Option<ModelCard> {
        let _ = model;
        None
    }
}

/// The registry of an installation that has one model.
pub struct OneModel(Arc<dyn ServedEvaluator>);

impl OneModel {
    /// The model, served.
    pub fn new(served: Arc<dyn ServedEvaluator>) -> Self {
        Self(served)
    }

    /// An evaluator that computes where it is asked, without a queue: for tests and for tools that ask it alone.
    pub fn direct(evaluator: Arc<dyn Evaluator>) -> Self {
        let model =
            ModelRef { model_id: evaluator.model_id().to_owned(), weights_hash: evaluator.weights_hash().to_owned() };
        Self(Arc::new(Direct { evaluator, model }))
    }
}

impl EvaluatorRegistry for OneModel {
    fn built_in(&self) -> Arc<dyn ServedEvaluator> {
        self.0.clone()
    }

    fn find(&self, model: &ModelRef) -> Option<Arc<dyn ServedEvaluator>> {
        (model == self.0.model()).then(|| self.built_in())
    }

    fn models(&self) -> Vec<ModelRef> {
        vec![self.0.model().clone()]
    }
}

struct Direct {
    evaluator: Arc<dyn Evaluator>,
    model: ModelRef,
}

impl ServedEvaluator for Direct {
    fn evaluate(&self, question: Question, _: Duration) -> Evaluating<'_> {
        Box::pin(std::future::ready(self.evaluator.evaluate(&question.answer())))
    }

    fn model(&self) -> &ModelRef {
        &self.model
    }
}
