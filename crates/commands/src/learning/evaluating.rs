//! Which model evaluates a learner's answer, and asking it.

use std::{sync::Arc, time::Duration};

use baeum_domain::{
    ids::{TaskId, UserId},
    learning::evaluation::{Assignment, Evaluation, ModelRef, Question, ServedEvaluator, Verdict},
    level::Cefr,
};

use super::Error;
use crate::Commands;

/// How long a learner waits for a verdict where nothing else was set, before the attempt is taken in without one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The model that evaluates a learner's answers, and why it is that one.
pub(super) struct Route {
    pub(super) evaluator: Arc<dyn ServedEvaluator>,
    pub(super) assignment: Option<Assignment>,
}

impl Commands {
    /// The model for the answers of a learner: that of their arm where an experiment runs, else the promoted one, else the
    /// one that every build carries. That one also stands in for a model that this server does not have; the assignment
    /// is then left out, for it says how an answer was treated.
    ///
    /// # Errors
    /// When what was decided about models cannot be read.
    pub(super) async fn route(&self, tenant: &str, learner: UserId) -> Result<Route, Error> {
        let deployment = self.deployment(tenant).await?;
        let evaluators = &self.ports.evaluators;
        let (model, assignment) = deployment.model_for(learner);
        let Some(model) = model else { return Ok(Route { evaluator: evaluators.built_in(), assignment }) };
        if let Some(evaluator) = evaluators.find(model) {
            return Ok(Route { evaluator, assignment });
        }
        let ModelRef { model_id, weights_hash } = model;
        tracing::warn!(model_id, weights_hash, "a deployed model is not installed here: the built-in one evaluates");
        metrics::counter!("baeum_evaluator_missing_total", "model" => model_id.clone()).increment(1);
        Ok(Route { evaluator: evaluators.built_in(), assignment: None })
    }

    /// Has an answer evaluated, or says why that is done later.
    pub(super) async fn evaluate(&self, route: &Route, task_id: &TaskId, answer: &str) -> Evaluation {
        match route.evaluator.evaluate(self.question(task_id, answer), self.patience).await {
            Ok(verdict) => Evaluation::Given(verdict),
            Err(error) => {
                let reason = error.deferral();
                tracing::warn!(%error, "an evaluation is deferred");
                let model = route.evaluator.model().model_id.clone();
                metrics::counter!("baeum_evaluations_deferred_total", "model" => model, "reason" => reason.to_string())
                    .increment(1);
                Evaluation::Deferred(reason)
            }
        }
    }

    /// Has an answer evaluated now.
    ///
    /// # Errors
    /// When the model gives no verdict.
    pub(super) async fn evaluate_now(&self, route: &Route, task_id: &TaskId, answer: &str) -> Result<Verdict, Error> {
        Ok(route.evaluator.evaluate(self.question(task_id, answer), self.patience).await?)
    }

    pub(super) fn question(&self, task_id: &TaskId, answer: &str) -> Question {
        let task = self.catalog().task(task_id);
        let text = answer.to_owned();
        let Some((clip, task)) = task else {
            return Question { prompt: String::new(), text, level: Cefr::B1, references: vec![] };
        };
        Question { prompt: task.prompt.clone(), text, level: clip.level, references: task.references.clone() }
    }
}
