//! Deciding which model answers whom: promotions, rollbacks, experiments and shadows, by administrators; and knowing it
//! without asking the log each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use baeum_domain::{
    identity::user::Role,
    ids::{ExperimentId, derive_id},
    learning::{
        evaluation::ModelRef,
        evaluator_deployment::{self, Arm, Command, EvaluatorDeployment, ExperimentOutcome, id_of},
    },
    level::Skill,
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, LogError, Outcome};

use crate::{
    Caller, Commands, Request,
    refusal::{Refusal, RefusalKind, log_code},
};

/// The skill whose answers the models of the registry evaluate.
pub const SKILL: Skill = Skill::Writing;
/// For how long what is known of a deployment is gone by before the log is asked again. Another process acts on a decision
/// that much later; the events say which model it was in any case.
const FRESH: Duration = Duration::from_secs(1);

/// What an administrator wants of the models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Have a model answer whomever no experiment assigns to another.
    Promote(ModelRef),
    /// Take the promoted model back.
    RollBack {
        /// That model.
        model: ModelRef,
        /// Why.
        reason: String,
    },
    /// Divide the learners between models. The experiment's id derives from that of the command.
    StartExperiment {
        /// The models and their shares.
        arms: Vec<Arm>,
        /// What it is decided by.
        outcome: ExperimentOutcome,
    },
    /// Divide them no more.
    StopExperiment(ExperimentId),
    /// Ask a model in the shadow.
    StartShadow(ModelRef),
    /// Ask none there.
    StopShadow,
}

impl Change {
    /// The models that must be installed for it.
    fn needs(&self) -> Vec<&ModelRef> {
        match self {
            Self::Promote(model) | Self::StartShadow(model) => vec![model],
            Self::StartExperiment { arms, .. } => arms.iter().map(|arm| &arm.model).collect(),
            Self::RollBack { .. } | Self::StopExperiment(_) | Self::StopShadow => vec![],
        }
    }

    fn command(self, context: &CommandContext) -> Command {
        let skill = SKILL;
        match self {
            Self::Promote(model) => Command::Promote { skill, model },
            Self::RollBack { model, reason } => Command::RollBack { skill, model, reason },
            Self::StartExperiment { arms, outcome } => {
                let experiment_id = ExperimentId(derive_id(&["experiment", &context.command_id.to_string()]));
                Command::StartExperiment { skill, experiment_id, arms, outcome }
            }
            Self::StopExperiment(experiment_id) => Command::StopExperiment { skill, experiment_id },
            Self::StartShadow(model) => Command::StartShadow { skill, model },
            Self::StopShadow => Command::StopShadow { skill },
        }
    }
}

/// Why something about models is refused.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// The caller is no administrator.
    #[error("only administrators decide which model evaluates")]
    NotAnAdmin,
    /// The model is not installed.
    #[error(
        "model {} with weights {} is not installed on this server: GET /v1/evaluators lists those that are",
        .0.model_id, .0.weights_hash
    )]
    NotInstalled(ModelRef),
    /// A rule of the deployment.
    #[error(transparent)]
    Deployment(#[from] evaluator_deployment::Error),
    /// What was decided could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Refusal for DeploymentError {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotAnAdmin => RefusalKind::Forbidden,
            Self::NotInstalled(_) => RefusalKind::Conflict,
            Self::Deployment(evaluator_deployment::Error::Reason(error)) => error.kind(),
            Self::Deployment(error) => error.kind(),
            Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotAnAdmin => "not-an-admin",
            Self::NotInstalled(_) => "evaluator-not-installed",
            Self::Deployment(evaluator_deployment::Error::Reason(error)) => error.code(),
            Self::Deployment(error) => error.code(),
            Self::Log(error) => log_code(error),
        }
    }
}

/// What is known of the deployments, each since when. There are as many as there are tenants.
#[derive(Clone, Default)]
pub(crate) struct Deployments(Arc<Mutex<HashMap<String, Known>>>);

/// Since when, and what.
type Known = (Instant, Arc<EvaluatorDeployment>);

impl Deployments {
    /// What is known, unless it is old. Of many who ask at once when it is, one is told nothing and looks it up.
    fn fresh(&self, tenant: &str) -> Option<Arc<EvaluatorDeployment>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, deployment) = known.get_mut(tenant)?;
        if since.elapsed() < FRESH {
            return Some(deployment.clone());
        }
        *since = Instant::now();
        None
    }

    fn keep(&self, tenant: &str, deployment: Arc<EvaluatorDeployment>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(tenant.to_owned(), (Instant::now(), deployment));
    }
}

impl Commands {
    /// What was decided about models, at most a second ago: no round trip to the database but one a second and tenant.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn deployment(&self, tenant: &str) -> Result<Arc<EvaluatorDeployment>, LogError> {
        if let Some(known) = self.deployments.fresh(tenant) {
            return Ok(known);
        }
        let deployment = self.log.load::<EvaluatorDeployment>(tenant, &id_of(tenant, SKILL).to_string()).await?.state;
        self.deployments.keep(tenant, deployment.clone());
        Ok(deployment)
    }

    /// What was decided about models, as the log has it now, with its version. Only administrators may look.
    ///
    /// # Errors
    /// A caller who may not, or a failing log.
    pub async fn evaluator_deployment(
        &self,
        caller: &Caller,
    ) -> Result<(Arc<EvaluatorDeployment>, i64), ExecuteError<DeploymentError>> {
        if !caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(DeploymentError::NotAnAdmin));
        }
        let id = id_of(&caller.tenant, SKILL).to_string();
        let loaded = self.log.load::<EvaluatorDeployment>(&caller.tenant, &id).await?;
        Ok((loaded.state, loaded.sequence))
    }

    /// Decides about models. Only administrators may, and only of models that are installed here.
    ///
    /// # Errors
    /// A caller who may not, a model that is not installed, a rule of the deployment, or a failing log.
    pub async fn deploy_evaluator(
        &self,
        request: &Request,
        change: Change,
    ) -> Result<Outcome<EvaluatorDeployment>, ExecuteError<DeploymentError>> {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(DeploymentError::NotAnAdmin));
        }
        let evaluators = &self.ports.evaluators;
        if let Some(missing) = change.needs().into_iter().find(|model| evaluators.find(model).is_none()) {
            return Err(ExecuteError::Refused(DeploymentError::NotInstalled(missing.clone())));
        }
        let outcome = deploy_evaluator(&self.log, &request.context(self.clock()), change).await?;
        if !outcome.stored {
            self.deployments.keep(&request.caller.tenant, Arc::new(outcome.answer.clone()));
        }
        Ok(outcome)
    }
}

/// The same for whoever has the database at hand, and knows that the models are installed.
///
/// # Errors
/// A rule of the deployment, or a failing log.
pub async fn deploy_evaluator(
    log: &EventLog,
    context: &CommandContext,
    change: Change,
) -> Result<Outcome<EvaluatorDeployment>, ExecuteError<DeploymentError>> {
    let id = id_of(&context.tenant, SKILL).to_string();
    let command = change.command(context);
    let prepare = |_: Loaded<EvaluatorDeployment>| std::future::ready(Ok(command.clone()));
    log.execute::<EvaluatorDeployment, _, DeploymentError, _>(context, &id, prepare, |state, _| state.clone()).await
}
