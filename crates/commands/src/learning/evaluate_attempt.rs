//! Evaluating an attempt that was taken in without a verdict.

use std::time::Duration;

use baeum_domain::{
    ids::{AttemptId, LessonId, UserId},
    learning::{
        evaluation::{EvaluatorError, Verdict},
        lesson::{self, Command, Lesson, Pending},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded};

use super::{Error, evaluating::Route};
use crate::{Commands, vault::Field};

/// How long a verdict is waited for when no learner does.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many of them are asked for at once, so that whoever waits for a verdict is not behind them all.
pub(crate) const LATE: usize = 8;

impl Commands {
    /// Evaluates an attempt that waits for it, by the model that evaluates the learner's answers now. Where that model
    /// fails on the answer, the built-in one evaluates it. Nothing is done for an attempt that has its verdict, or whose
    /// answer cannot be opened any more because its key was destroyed.
    ///
    /// # Errors
    /// An attempt that the lesson has not; a model, a key store or a log that cannot be used now.
    pub async fn evaluate_attempt(
        &self,
        context: &CommandContext,
        learner_id: UserId,
        lesson_id: LessonId,
        attempt_id: AttemptId,
    ) -> Result<(), ExecuteError<Error>> {
        let id = lesson_id.to_string();
        let loaded = self.log.load::<Lesson>(&context.tenant, &id).await?;
        let course = loaded.state.course.as_ref().ok_or(refused(lesson::Error::NotStarted))?;
        let Some(pending) = course.pending.get(&attempt_id) else {
            let known = course.attempts.contains(&attempt_id);
            return if known { Ok(()) } else { Err(refused(lesson::Error::UnknownAttempt { lesson_id, attempt_id })) };
        };
        let opened = self.vault.open(&context.tenant, learner_id, Field::Answer, &pending.answer).await;
        let Some(answer) = opened.map_err(|error| ExecuteError::Refused(error.into()))? else { return Ok(()) };
        let route = self.route(&context.tenant, learner_id).await.map_err(ExecuteError::Refused)?;
        let _turn = self.late.acquire().await.expect("it is never closed");
        let (verdict, route) = self.evaluate_late(route, pending, &answer).await.map_err(ExecuteError::Refused)?;
        let command = Command::CompleteEvaluation { attempt_id, verdict, assignment: route.assignment };
        let prepare = |_: Loaded<Lesson>| std::future::ready(Ok(command.clone()));
        self.log.execute::<Lesson, (), Error, _>(context, &id, prepare, |_, _| ()).await?;
        Ok(())
    }

    /// The verdict, and which model gave it.
    async fn evaluate_late(&self, route: Route, pending: &Pending, answer: &str) -> Result<(Verdict, Route), Error> {
        let question = self.question(&pending.task_id, answer);
        let built_in = self.ports.evaluators.built_in();
        match route.evaluator.evaluate(question.clone(), PATIENCE).await {
            Ok(verdict) => Ok((verdict, route)),
            Err(error @ EvaluatorError::Failed { .. }) if route.evaluator.model() != built_in.model() => {
                tracing::warn!(%error, "the built-in model evaluates instead");
                let verdict = built_in.evaluate(question, PATIENCE).await?;
                // As it was treated, not as it was meant to be.
                Ok((verdict, Route { evaluator: built_in, assignment: None }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn refused(error: lesson::Error) -> ExecuteError<Error> {
    ExecuteError::Refused(error.into())
}
