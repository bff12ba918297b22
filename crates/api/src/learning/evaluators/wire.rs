//! What models and experiments look like on the wire.

use baeum_domain::learning::{
    evaluation::ModelRef,
    evaluator_deployment::{self, EvaluatorDeployment},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire::mirror;

mirror! {
    /// What an experiment is decided by.
    #[serde(rename_all = "snake_case")]
    ExperimentOutcome = baeum_domain::learning::evaluator_deployment::ExperimentOutcome {
        /// The share of a learner's evaluations that the learner disputes: less is better.
        Disputes,
        /// The share of a learner's lessons that are completed: more is better.
        LessonCompletion,
    }
}

/// A model: its name, and the weights under it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelName {
    /// Name and version of the model.
    model_id: String,
    /// SHA-256 of its weights, lower-case hexadecimal; of its settings, where the weights are elsewhere.
    weights_hash: String,
}

impl From<ModelRef> for ModelName {
    fn from(ModelRef { model_id, weights_hash }: ModelRef) -> Self {
        Self { model_id, weights_hash }
    }
}

impl From<ModelName> for ModelRef {
    fn from(ModelName { model_id, weights_hash }: ModelName) -> Self {
        Self { model_id, weights_hash }
    }
}

/// One of the models that an experiment compares.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arm {
    /// Its name within the experiment: 1 to 32 lower-case letters, digits, `-` and `_`.
    name: String,
    /// The model.
    model: ModelName,
    /// Its share of the learners, per mille. Those of all arms make 1000.
    #[schema(minimum = 1, maximum = 1000)]
    share: u32,
}

impl From<evaluator_deployment::Arm> for Arm {
    fn from(evaluator_deployment::Arm { name, model, share }: evaluator_deployment::Arm) -> Self {
        Self { name, model: model.into(), share }
    }
}

impl From<Arm> for evaluator_deployment::Arm {
    fn from(Arm { name, model, share }: Arm) -> Self {
        Self { name, model: model.into(), share }
    }
}

/// An experiment that runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunningExperiment {
    /// Its id.
    experiment_id: Uuid,
    /// What is compared; the first is what the others are compared with.
    arms: Vec<Arm>,
    /// What it is decided by.
    outcome: ExperimentOutcome,
}

/// What was decided about models.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deployment {
    /// The model that answers whomever no experiment assigns to another; none for the built-in one.
    promoted: Option<ModelName>,
    /// What a rollback leads to; none for the built-in model.
    previous: Option<ModelName>,
    /// The experiment that runs.
    experiment: Option<RunningExperiment>,
    /// The model that is asked besides, and shown to no learner.
    shadow: Option<ModelName>,
}

impl From<&EvaluatorDeployment> for Deployment {
    fn from(state: &EvaluatorDeployment) -> Self {
        Self {
            promoted: state.promoted.clone().map(Into::into),
            previous: state.history.back().cloned().flatten().map(Into::into),
            experiment: state.experiment.as_ref().map(|it| RunningExperiment {
                experiment_id: it.experiment_id.0,
                arms: it.arms.iter().cloned().map(Into::into).collect(),
                outcome: it.outcome.into(),
            }),
            shadow: state.shadow.clone().map(Into::into),
        }
    }
}
