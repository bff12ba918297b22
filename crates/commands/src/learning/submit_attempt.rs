//! Submitting an answer to a task: checked, evaluated by the model, sealed, then decided.

use std::sync::atomic::{AtomicBool, Ordering};

use baeum_domain::{
    Sealed,
    ids::{AttemptId, LessonId, TaskId, derive_id},
    learning::{
        evaluation::{DeferralReason, Verdict},
        lesson::{Command, Event, Lesson},
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
    /// What the model found, where it has been asked.
    pub verdict: Option<Verdict>,
    /// Whether the score reached the pass mark.
    pub passed: Option<bool>,
    /// Why the verdict comes later, where it does.
    #[serde(default)]
    pub deferred: Option<DeferralReason>,
    /// Tasks that must still be attempted before the lesson can be completed.
    pub attempts_left: u32,
}

impl Commands {
    /// Submits an attempt of the caller's and has it evaluated. The model runs once, however often others change the
    /// lesson meanwhile. Where it gives no verdict in time, the attempt is taken in without one and evaluated later.
    ///
    /// # Errors
    /// A task that is not of the lesson or not yet open, an empty, short or unreadable answer, another's or an ended
    /// lesson, no evaluation that is left, a failing log.
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
        let (evaluation, metered) = (OnceCell::new(), AtomicBool::new(false));
        let (attempt, evaluation, metered) = (&attempt, &evaluation, &metered);
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
                    if !evaluation.initialized() {
                        let left = self.evaluations_left(&request.caller.tenant, request.caller.user_id).await?;
                        // Those that wait for their verdict are taken when they have it.
                        let promised = u32::try_from(course.pending.len()).unwrap_or(u32::MAX);
                        if left.is_some_and(|left| left <= promised) {
                            return Err(credits::Error::NothingLeft(attempt_id).into());
                        }
                        metered.store(left.is_some(), Ordering::Relaxed);
                    }
                    let evaluate = async || {
                        let route = self.route(&request.caller.tenant, request.caller.user_id).await?;
                        let evaluation = self.evaluate(&route, &attempt.task_id, answer).await;
                        Ok::<_, Error>((evaluation, route.assignment))
                    };
                    let (evaluation, assignment) = evaluation.get_or_try_init(evaluate).await?.clone();
                    Ok(Command::SubmitAttempt {
                        attempt_id,
                        task_id: attempt.task_id.clone(),
                        kind: attempt.kind,
                        answer: self.seal_answer(request, answer).await?,
                        words,
                        duration_ms: attempt.duration_ms,
                        evaluation,
                        assignment,
                    })
                },
                |lesson, events| evaluated(lesson_id, attempt_id, &attempt.task_id, lesson, events),
            )
            .await?;
        if metered.load(Ordering::Relaxed) && !outcome.stored && outcome.answer.verdict.is_some() {
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
}

pub(super) fn evaluated(
    lesson_id: LessonId,
    attempt_id: AttemptId,
    task_id: &TaskId,
    lesson: &Lesson,
    events: &[Event],
) -> Evaluated {
    let verdict = events.iter().find_map(|event| match event {
        Event::EvaluationCompleted { verdict, passed, .. } => Some((verdict.clone(), *passed)),
        _ => None,
    });
    let deferred = events.iter().find_map(|event| match event {
        Event::EvaluationDeferred { reason, .. } => Some(*reason),
        _ => None,
    });
    let attempts_left = super::Status::of(lesson_id, lesson).attempts_left;
    let (verdict, passed) = verdict.unzip();
    Evaluated { lesson_id, attempt_id, task_id: task_id.clone(), verdict, passed, deferred, attempts_left }
}
