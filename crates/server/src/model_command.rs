//! `baeum models`: the models that are installed, and which of them answers.

use std::fmt::Write as _;

use baeum_commands::{
    ExecuteError,
    learning::deployment::{Change, DeploymentError, SKILL, deploy_evaluator},
};
use baeum_domain::learning::{
    evaluation::{EvaluatorRegistry, ModelRef},
    evaluator_deployment::{EvaluatorDeployment, id_of},
};
use baeum_eventlog::LogError;
use clap::Subcommand;

use crate::{output::tell, projections::OperatedShard};

/// What is wanted of the models.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models of this build and of BAEUM_EVALUATORS, and which of them answers
    List,
    /// Have a model answer whomever no experiment assigns to another
    Promote {
        /// Its name; with @ and the beginning of its weights' hash, where several have it
        #[arg(value_name = "MODEL")]
        model: String,
        /// For one tenant; for all where it is not given
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Take the promoted model back: the one before it answers again
    Rollback {
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Of one tenant; of all where it is not given
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelsCommandError {
    #[error(
        "no model, or more than one, is '{0}': `baeum models list` lists them; add @ and the beginning of its hash"
    )]
    NotOne(String),
    #[error("there is no tenant '{0}' in the shards of this configuration")]
    NoTenant(String),
    #[error("tenant {tenant}: {error}")]
    Refused { tenant: String, error: ExecuteError<DeploymentError> },
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Does it, in every shard.
///
/// # Errors
/// A model that is not installed, a tenant that there is not, a rule of the deployment, or a failing log.
pub(crate) async fn run(
    shards: &[OperatedShard],
    evaluators: &dyn EvaluatorRegistry,
    command: &ModelsCommand,
) -> Result<(), ModelsCommandError> {
    let (model, reason, wanted) = match command {
        ModelsCommand::List => return list(shards, evaluators).await,
        ModelsCommand::Promote { model, tenant } => (Some(find(evaluators, model)?), None, tenant),
        ModelsCommand::Rollback { reason, tenant } => (None, Some(reason), tenant),
    };
    let mut found = false;
    for shard in shards {
        for tenant in shard.tenants.iter().filter(|it| wanted.as_ref().is_none_or(|wanted| wanted == *it)) {
            found = true;
            let promoted = deployment(shard, tenant).await?.promoted;
            let change = match (&model, reason, promoted) {
                (Some(model), _, _) => Change::Promote(model.clone()),
                (None, Some(reason), Some(model)) => Change::RollBack { model, reason: reason.clone() },
                (None, ..) => {
                    tell(format_args!("tenant {tenant}: the built-in model answers; nothing to take back"));
                    continue;
                }
            };
            let done = deploy_evaluator(&shard.log, &shard.context(tenant), change).await;
            let outcome = done.map_err(|error| ModelsCommandError::Refused { tenant: tenant.clone(), error })?;
            let now = outcome.answer.promoted.map_or_else(|| "the built-in model".to_owned(), |it| it.model_id);
            tell(format_args!("tenant {tenant}: {now} answers, recorded at {}", outcome.position));
        }
    }
    match wanted {
        Some(tenant) if !found => Err(ModelsCommandError::NoTenant(tenant.clone())),
        _ => Ok(()),
    }
}

async fn list(shards: &[OperatedShard], evaluators: &dyn EvaluatorRegistry) -> Result<(), ModelsCommandError> {
    let built_in = evaluators.built_in();
    for model in evaluators.models() {
        let mut line = format!("{} {}", model.model_id, model.weights_hash);
        if model == *built_in.model() {
            line.push_str(" (built in)");
        }
        if let Some(card) = evaluators.card(&model) {
            let _ = write!(line, " [{}]", card.kind);
            for data in card.data {
                let _ = write!(line, "\n    {}: {}", data.name, data.licence);
            }
        }
        tell(line);
    }
    for shard in shards {
        for tenant in &shard.tenants {
            let state = deployment(shard, tenant).await?;
            let name = |model: Option<ModelRef>| model.map_or_else(|| "-".to_owned(), |it| it.model_id);
            let experiment = state.experiment.map_or_else(|| "-".to_owned(), |it| it.experiment_id.to_string());
            let promoted = state.promoted.unwrap_or_else(|| built_in.model().clone());
            let stand_in = match evaluators.find(&promoted) {
                Some(_) => String::new(),
                None => format!(" (not installed here: {} stands in)", built_in.model().model_id),
            };
            tell(format_args!(
                "tenant {tenant}: {} answers{stand_in}; experiment {experiment}; shadow {}",
                promoted.model_id,
                name(state.shadow)
            ));
        }
    }
    Ok(())
}

async fn deployment(shard: &OperatedShard, tenant: &str) -> Result<EvaluatorDeployment, LogError> {
    let loaded = shard.log.load::<EvaluatorDeployment>(tenant, &id_of(tenant, SKILL).to_string()).await?;
    Ok(EvaluatorDeployment::clone(&loaded.state))
}

fn find(evaluators: &dyn EvaluatorRegistry, wanted: &str) -> Result<ModelRef, ModelsCommandError> {
    let (name, hash) = wanted.split_once('@').unwrap_or((wanted, ""));
    let mut found =
        evaluators.models().into_iter().filter(|it| it.model_id == name && it.weights_hash.starts_with(hash));
    match (found.next(), found.next()) {
        (Some(model), None) => Ok(model),
        _ => Err(ModelsCommandError::NotOne(wanted.to_owned())),
    }
}
