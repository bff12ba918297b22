//! `GET /v1/evaluators`: the installed models, and what was decided about them.

use axum::response::Response;
use baeum_domain::learning::evaluation::{ModelData, ModelRef};
use baeum_projections::learning::evaluator_experiments::{self, Agreement, Experiment};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{Arm, Deployment, ExperimentOutcome, ModelName};
use crate::{caller::SignedIn, conditional::versioned, docs::QueryProblems, problem::Problem, tenants::TenantState};

/// How many experiments are listed.
const EXPERIMENTS: u32 = 50;

/// The models of this server, and what was decided about them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evaluators {
    /// The model that every build carries.
    built_in: ModelName,
    /// Installed models, by their names.
    installed: Vec<InstalledModel>,
    /// What was decided about them.
    deployment: Deployment,
    /// How far the model in the shadow agrees with each that was shown.
    agreement: Vec<ShadowAgreement>,
    /// Experiments, the latest first, at most 50.
    experiments: Vec<PastExperiment>,
}

/// An installed model.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstalledModel {
    /// Which it is.
    model: ModelName,
    /// What kind of model, for instance `error-detector`.
    kind: Option<String>,
    /// What it was trained on.
    data: Vec<TrainingData>,
    /// Figures of its manifest.
    metrics: Option<serde_json::Value>,
    /// The command that made it.
    training_command: Option<String>,
}

/// Data that a model was trained on.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrainingData {
    name: String,
    licence: String,
    address: String,
}

/// How far the model in the shadow agrees with a model that was shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShadowAgreement {
    /// The model that was shown.
    shown: ModelName,
    /// Attempts that both evaluated.
    attempts: i64,
    /// Mean absolute difference of their scores.
    mean_difference: f64,
    /// Share of the attempts that both pass or both do not, 0 to 1.
    equal_pass: f64,
}

/// An experiment in the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct PastExperiment {
    experiment_id: Uuid,
    /// What is compared.
    arms: Vec<Arm>,
    /// What it is decided by.
    outcome: ExperimentOutcome,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it was stopped; none while it runs.
    stopped_at: Option<DateTime<Utc>>,
}

impl From<Agreement> for ShadowAgreement {
    fn from(it: Agreement) -> Self {
        let shown = ModelRef { model_id: it.shown_model_id, weights_hash: it.shown_weights_hash }.into();
        Self { shown, attempts: it.attempts, mean_difference: it.mean_difference, equal_pass: it.equal_pass }
    }
}

impl From<Experiment> for PastExperiment {
    fn from(it: Experiment) -> Self {
        Self {
            experiment_id: it.experiment_id.0,
            arms: it.arms.into_iter().map(Into::into).collect(),
            outcome: it.outcome.into(),
            started_at: it.started_at,
            stopped_at: it.stopped_at,
        }
    }
}

/// The installed models with licences and figures, which of them answers, what runs in the shadow, and experiments: for
/// administrators.
#[utoipa::path(
    get, path = "/v1/evaluators", tag = "evaluators", security(("bearer" = [])),
    responses(
        (status = 200, description = "The models", body = Evaluators, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_evaluators(state: TenantState, signed_in: SignedIn) -> Result<Response, Problem> {
    let commands = state.commands();
    let (deployment, version) = commands.evaluator_deployment(&signed_in.caller).await?;
    let pool = state.log().pool();
    let agreement = match &deployment.shadow {
        Some(model) => evaluator_experiments::agreement(pool, &state.tenant, model).await?,
        None => vec![],
    };
    let experiments = evaluator_experiments::list(pool, &state.tenant, EXPERIMENTS).await?;
    let evaluators = commands.evaluators();
    let installed = evaluators.models().into_iter().map(|model| {
        let card = evaluators.card(&model);
        let data = |it: ModelData| TrainingData { name: it.name, licence: it.licence, address: it.address };
        InstalledModel {
            model: model.into(),
            kind: card.as_ref().map(|it| it.kind.clone()),
            metrics: card.as_ref().map(|it| it.metrics.clone()),
            training_command: card.as_ref().map(|it| it.training_command.clone()),
            data: card.map(|it| it.data.into_iter().map(data).collect()).unwrap_or_default(),
        }
    });
    let answer = Evaluators {
        built_in: evaluators.built_in().model().clone().into(),
        installed: installed.collect(),
        deployment: Deployment::from(deployment.as_ref()),
        agreement: agreement.into_iter().map(Into::into).collect(),
        experiments: experiments.into_iter().map(Into::into).collect(),
    };
    Ok(versioned(version, answer))
}
