//! Asking the model in the shadow about an attempt that was evaluated.

use std::time::Duration;

use baeum_domain::{
    Decider as _, Sealed,
    ids::{AttemptId, LessonId, TaskId, UserId},
    learning::{
        evaluation::ModelRef,
        lesson::{self, Lesson},
        shadow_evaluation::{Command, ShadowEvaluation, Shown, id_of},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, SubjectStream, decode};
use serde::{Deserialize, Serialize};

use super::{Error, deployment::SKILL};
use crate::{Commands, vault::Field};

/// How long a model in the shadow is waited for: nobody else does.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events of a lesson that are looked through for the answer.
const EVENTS: i64 = 10_000;

/// What a model in the shadow is to be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowQuestion {
    /// Whose attempt.
    pub learner_id: UserId,
    /// Its lesson.
    pub lesson_id: LessonId,
    /// The attempt.
    pub attempt_id: AttemptId,
    /// The model.
    pub model: ModelRef,
    /// What the learner was shown.
    pub shown: Shown,
}

impl Commands {
    /// Asks the model in the shadow, and records what it says. What it does not say, since it is no longer in the shadow,
    /// not installed, late or failing, is left out, and counted in `baeum_shadow_evaluations_total`: a shadow is a sample,
    /// and nobody waits for it.
    ///
    /// # Errors
    /// When the log or the keys cannot be read.
    pub(crate) async fn shadow_evaluate(
        &self,
        context: &CommandContext,
        asked: ShadowQuestion,
    ) -> Result<(), ExecuteError<Error>> {
        let ShadowQuestion { learner_id, lesson_id, attempt_id, model, shown } = asked;
        let count = |result: &'static str| {
            let model = model.model_id.clone();
            metrics::counter!("baeum_shadow_evaluations_total", "model" => model, "result" => result).increment(1);
        };
        let deployment = self.deployment(&context.tenant).await?;
        if deployment.shadow.as_ref() != Some(&model) {
            count("stopped");
            return Ok(());
        }
        let Some(evaluator) = self.ports.evaluators.find(&model) else {
            count("not_installed");
            return Ok(());
        };
        let Some((task_id, sealed)) = self.answer_of(&context.tenant, lesson_id, attempt_id).await? else {
            count("no_answer");
            return Ok(());
        };
        let opened = self.vault.open(&context.tenant, learner_id, Field::Answer, &sealed).await;
        let Some(answer) = opened.map_err(|error| ExecuteError::Refused(error.into()))? else {
            count("no_answer");
            return Ok(());
        };
        let verdict = match evaluator.evaluate(self.question(&task_id, &answer), PATIENCE).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::debug!(%error, "a shadow says nothing");
                count("failed");
                return Ok(());
            }
        };
        let id = id_of(attempt_id, &model).to_string();
        let command = Command::Record { lesson_id, learner_id, attempt_id, skill: SKILL, verdict, shown };
        let prepare = |_: Loaded<ShadowEvaluation>| std::future::ready(Ok(command.clone()));
        self.log.execute::<ShadowEvaluation, (), Error, _>(context, &id, prepare, |_, _| ()).await?;
        count("recorded");
        Ok(())
    }

    /// The task and the sealed answer of an attempt, from the stream of its lesson.
    async fn answer_of(
        &self,
        tenant: &str,
        lesson_id: LessonId,
        attempt_id: AttemptId,
    ) -> Result<Option<(TaskId, Sealed)>, ExecuteError<Error>> {
        let stream = SubjectStream {
            aggregate_type: Lesson::AGGREGATE.to_owned(),
            aggregate_id: lesson_id.to_string(),
            events: 0,
        };
        for event in self.log.read_streams(tenant, &[stream], 0, EVENTS).await? {
            if event.event_type != "AttemptSubmitted" {
                continue;
            }
            if let baeum_domain::AnyEvent::Lesson(lesson::Event::AttemptSubmitted {
                attempt_id: found,
                task_id,
                answer,
                ..
            }) = decode(event)?.payload
                && found == attempt_id
            {
                return Ok(Some((task_id, answer)));
            }
        }
        Ok(None)
    }
}
