//! Submitting a recording: checked, listened to, evaluated, sealed, then decided. The audio is let go of at the end.

use std::sync::Arc;

use baeum_domain::{
    Sealed,
    ids::{AttemptId, LessonId, TaskId, derive_id},
    learning::{
        evaluation::{Assignment, Verdict},
        lesson::{Command, Course, Event, Lesson},
        planning::TaskKind,
        speech::{Speech, SpeechError, SpeechVerdict, Spoken, SpokenWord},
    },
    text,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::{
    Error,
    status::own,
    submit_attempt::{Evaluated, MAX_ANSWER, evaluated},
};
use crate::{Caller, Commands, Request, vault::Field};

/// A recording as it comes in.
#[derive(Clone, PartialEq, Eq)]
pub struct Recording {
    /// The task.
    pub task_id: TaskId,
    /// What was said, where the client knows; else the sample of the task is read aloud.
    pub text: Option<String>,
    /// An audio file.
    pub audio: Arc<[u8]>,
}

/// The answer to a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessed {
    /// The attempt, as that of a typed one.
    pub evaluated: Evaluated,
    /// What was heard, but for the words.
    pub spoken: Spoken,
    /// The words and their sounds, as JSON, sealed: answers are stored.
    pub detail: Sealed,
}

impl Commands {
    /// Submits a recording of the caller's and has it judged. The models run once, however often others change the
    /// lesson meanwhile. The score of the attempt is that of the evaluator where the learner spoke words of their own,
    /// and that of the pronunciation, times completeness, where the sample was read.
    ///
    /// # Errors
    /// A recording that cannot be judged; otherwise as for a typed attempt.
    pub async fn submit_recording(
        &self,
        request: &Request,
        lesson_id: LessonId,
        recording: Recording,
    ) -> Result<Outcome<Assessed>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let attempt_id = AttemptId(derive_id(&["attempt", &context.command_id.to_string()]));
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let heard = OnceCell::new();
        let (recording, heard) = (&recording, &heard);
        self.log
            .execute::<Lesson, _, Error, _>(
                &context,
                &lesson_id.to_string(),
                |loaded: Loaded<Lesson>| async move {
                    let course = own(&loaded.state, lesson_id, &request.caller)?;
                    let (text, read) = self.text(course, recording)?;
                    let words = text::count_words(&text);
                    course.check_attempt(&recording.task_id, TaskKind::Speaking, words)?;
                    let listen = || self.listen(request, recording, text.clone(), read);
                    let (spoken, verdict, assignment) = heard.get_or_try_init(listen).await?;
                    Ok(Command::SubmitRecording {
                        attempt_id,
                        task_id: recording.task_id.clone(),
                        answer: self.seal_answer(request, &text).await?,
                        words,
                        verdict: verdict.clone(),
                        assignment: assignment.clone(),
                        spoken: spoken.summary(),
                        detail: self.seal_detail(request, &spoken.words).await?,
                    })
                },
                |lesson, events| assessed(lesson_id, attempt_id, &recording.task_id, lesson, events),
            )
            .await
    }

    /// Opens the words and sounds of a recording of the caller's; none where their key was destroyed.
    ///
    /// # Errors
    /// When the key store cannot be reached.
    pub async fn spoken_words(&self, caller: &Caller, detail: &Sealed) -> Result<Vec<SpokenWord>, Error> {
        let text = self.vault.open(&caller.tenant, caller.user_id, Field::Pronunciation, detail).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// What was to be said, and whether it is the sample of the task. A sample is shown after the first attempt.
    fn text(&self, course: &Course, recording: &Recording) -> Result<(String, bool), Error> {
        if let Some(text) = &recording.text {
            return Ok((text::check(text, MAX_ANSWER)?.to_owned(), false));
        }
        let attempted = course.attempts_at(&recording.task_id) > 0;
        let task = self.catalog().task(&recording.task_id).filter(|_| attempted);
        task.map(|(_, task)| (task.sample.clone(), true)).ok_or(Error::NothingToRead)
    }

    async fn listen(
        &self,
        request: &Request,
        recording: &Recording,
        text: String,
        read: bool,
    ) -> Result<(SpeechVerdict, Verdict, Option<Assignment>), Error> {
        let listener = self.ports.listener.clone().ok_or(Error::NoListener)?;
        let (audio, said) = (recording.audio.clone(), text.clone());
        let model_id = listener.model_id().to_owned();
        let work = move || listener.listen(&Speech { audio: &audio, text: &said });
        let spoken = tokio::task::spawn_blocking(work).await.map_err(|error| {
            // The message of a panic may quote the text, which belongs in no log.
            let reason = if error.is_panic() { "it panicked" } else { "it was cancelled" };
            SpeechError::Failed { model_id, reason: reason.to_owned() }
        })??;
        if read {
            let verdict = Verdict {
                score: spoken.score * spoken.completeness,
                spans: Vec::new(),
                model_id: spoken.model_id.clone(),
                weights_hash: spoken.weights_hash.clone(),
                latency_us: spoken.latency_us,
                meaning: None,
            };
            return Ok((spoken, verdict, None));
        }
        let route = self.route(&request.caller.tenant, request.caller.user_id).await?;
        let verdict = self.evaluate_now(&route, &recording.task_id, &text).await?;
        Ok((spoken, verdict, route.assignment))
    }

    async fn seal_detail(&self, request: &Request, words: &[SpokenWord]) -> Result<Sealed, Error> {
        let Caller { tenant, user_id, .. } = &request.caller;
        let text = serde_json::to_string(words).expect("words and numbers can always be written");
        Ok(self.vault.seal(tenant, *user_id, Field::Pronunciation, &text).await?)
    }
}

fn assessed(
    lesson_id: LessonId,
    attempt_id: AttemptId,
    task_id: &TaskId,
    lesson: &Lesson,
    events: &[Event],
) -> Assessed {
    let found = events.iter().find_map(|event| match event {
        Event::PronunciationAssessed { spoken, detail, .. } => Some((spoken.clone(), detail.clone())),
        _ => None,
    });
    let (spoken, detail) = found.expect("a new recording is always assessed");
    Assessed { evaluated: evaluated(lesson_id, attempt_id, task_id, lesson, events), spoken, detail }
}
