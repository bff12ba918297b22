//! Submitting an answer to a task: checked, evaluated by the model, sealed, then decided.

use std::sync::atomic::{AtomicBool, Ordering};

use baeum_domain::{
    Sealed,
    ids::{AttemptId, LessonId, TaskId, derive_id},
    learning::{
        evaluation::{Answer, EvaluatorError, Verdict},
        lesson::{Command, Event, Lesson, PASS_SCORE},
        planning::TaskKind,
    },
    subscription::credits,
    text,
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, LogError, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::{Error, status::own};
use crate::{Caller, Commands, Request, vault::Field};

/// The longest answer, in Unicode scalar values.
pub const MAX_ANSWER: usize = 4_000;

/// An attempt as it comes in.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The task.
    pub task_id: TaskId,
    /// How it was answered.
    pub kind: TaskKind,
    /// What was written, or the transcript of what was said.
    pub answer: String,
    /// Milliseconds worked or spoken, where the client measured them.
    pub duration_ms: Option<u32>,
}

/// The answer to an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The lesson.
    pub lesson_id: LessonId,
    /// This attempt.
    pub attempt_id: AttemptId,
    /// The task.
    pub task_id: TaskId,
    /// What the model found.
    pub verdict: Verdict,
    /// Whether the score reached the pass mark.
    pub passed: bool,
    /// Tasks that must still be attempted before the lesson can be completed.
    pub attempts_left: u32,
}

impl Commands {
    /// Submits an attempt of the caller's and has it evaluated. The model runs once, however often others change the
    /// lesson meanwhile.
    ///
    /// # Errors
    /// A task that is not of the lesson or not yet open, an empty, short or unreadable answer, another's or an ended
    /// lesson, no evaluation that is left, a failing model or log.
    pub async fn submit_attempt(
        &self,
        request: &Request,
        lesson_id: LessonId,
        attempt: Attempt,
    ) -> Result<Outcome<Evaluated>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let attempt_id = AttemptId(derive_id(&["attempt", &context.command_id.to_string()]));
        // The model is slow.
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let (verdict, metered) = (OnceCell::new(), AtomicBool::new(false));
        let (attempt, verdict, metered) = (&attempt, &verdict, &metered);
        let outcome = self
            .log
            .execute::<Lesson, _, Error, _>(
                &context,
                &lesson_id.to_string(),
                |loaded: Loaded<Lesson>| async move {
                    let answer = text::check(&attempt.answer, MAX_ANSWER)?;
                    let words = text::count_words(answer);
                    let course = own(&loaded.state, lesson_id, &request.caller)?;
                    course.check_attempt(&attempt.task_id, attempt.kind, words)?;
                    if !verdict.initialized() {
                        let left = self.evaluations_left(&request.caller.tenant, request.caller.user_id).await?;
                        if left == Some(0) {
                            return Err(credits::Error::NothingLeft(attempt_id).into());
                        }
                        metered.store(left.is_some(), Ordering::Relaxed);
                    }
                    let verdict = verdict.get_or_try_init(|| self.evaluate(&attempt.task_id, answer)).await?;
                    Ok(Command::SubmitAttempt {
                        attempt_id,
                        task_id: attempt.task_id.clone(),
                        kind: attempt.kind,
                        answer: self.seal_answer(request, answer).await?,
                        words,
                        duration_ms: attempt.duration_ms,
                        verdict: verdict.clone(),
                    })
                },
                |lesson, events| evaluated(lesson_id, attempt_id, &attempt.task_id, lesson, events),
            )
            .await?;
        if metered.load(Ordering::Relaxed) && !outcome.stored {
            // The process that counts evaluations does this in any case; doing it here too, the next attempt finds it done.
            if let Err(error) = self.count_evaluation(&context, request, attempt_id, outcome.position).await {
                tracing::debug!(%error, "the evaluation is left to the process that counts them");
            }
        }
        Ok(outcome)
    }

    /// Counts the evaluation that stands at `position`.
    async fn count_evaluation(
        &self,
        context: &CommandContext,
        request: &Request,
        attempt_id: AttemptId,
        position: i64,
    ) -> Result<(), ExecuteError<crate::subscription::Error>> {
        let found = self.log.read(position - 1, 1).await?;
        let evaluated = found.first().filter(|event: &&baeum_domain::Recorded<_>| event.position == position);
        let at = evaluated.ok_or(LogError::Closed)?.recorded_at;
        let context = CommandContext {
            command_id: self.clock().new_id(),
            fingerprint: None,
            expected_sequence: None,
            causation_id: context.command_id,
            ..context.clone()
        };
        self.charge_evaluation(&context, request.caller.user_id, attempt_id, at).await
    }

    pub(super) async fn seal_answer(&self, request: &Request, answer: &str) -> Result<Sealed, Error> {
        let Caller { tenant, user_id, .. } = &request.caller;
        Ok(self.vault.seal(tenant, *user_id, Field::Answer, answer).await?)
    }

    pub(super) async fn evaluate(&self, task_id: &TaskId, answer: &str) -> Result<Verdict, Error> {
        let task = self.catalog().task(task_id);
        let (level, prompt) = task
            .map_or((baeum_domain::level::Cefr::B1, String::new()), |(clip, task)| (clip.level, task.prompt.clone()));
        let (evaluator, text) = (self.ports.evaluator.clone(), answer.to_owned());
        let work = move || evaluator.evaluate(&Answer { prompt: &prompt, text: &text, level });
        let model_id = self.ports.evaluator.model_id().to_owned();
        let verdict = tokio::task::spawn_blocking(work).await.map_err(|error| {
            // The message of a panic may quote the answer, which belongs in no log.
            let reason = if error.is_panic() { "it panicked" } else { "it was cancelled" };
            EvaluatorError::Failed { model_id, reason: reason.to_owned() }
        })??;
        Ok(verdict)
    }
}

pub(super) fn evaluated(
    lesson_id: LessonId,
    attempt_id: AttemptId,
    task_id: &TaskId,
    lesson: &Lesson,
    events: &[Event],
) -> Evaluated {
    let found = events.iter().find_map(|event| match event {
        Event::EvaluationCompleted { verdict, .. } => Some(verdict.clone()),
        _ => None,
    });
    let verdict = found.expect("a new attempt is always evaluated");
    let left = super::Status::of(lesson_id, lesson).attempts_left;
    let passed = verdict.score >= PASS_SCORE;
    Evaluated { lesson_id, attempt_id, task_id: task_id.clone(), verdict, passed, attempts_left: left }
}
