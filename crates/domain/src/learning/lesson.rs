//! One lesson of one learner.
//!
//! Life cycle: started with its plan; clips consumed and attempts submitted in any order that the rules allow; then
//! completed or abandoned. Invariants: nothing happens in a lesson that is not started or has ended; a task is
//! attempted only after its clip was consumed, at most [`MAX_ATTEMPTS_PER_TASK`] times, with enough words; a lesson is
//! completed only when every clip was consumed and as many tasks as required were attempted and evaluated. An attempt
//! whose evaluation was deferred is evaluated later, also in a lesson that has ended: no attempt stays without a verdict.
//! A verdict can be disputed by its learner at any time, each part of it once; that changes no score.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    evaluation::{Assignment, DeferralReason, Evaluation, Verdict},
    planning::{LessonPlan, TaskKind},
    speech::Spoken,
};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{AttemptId, ClipId, Focus, LessonId, TaskId, UserId, ViewingId},
    level::Skill,
    sealed::Sealed,
};

/// How often one task may be attempted.
pub const MAX_ATTEMPTS_PER_TASK: u32 = 10;
/// From which score on an attempt counts as passed.
pub const PASS_SCORE: f64 = 0.6;

/// A transcript segment that was played again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentRepeat {
    /// Which segment, from 0.
    pub segment: u32,
    /// How many times more than once, 1 to 100.
    pub times: u32,
}

/// What a learner finds wrong in an evaluation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DisputeKind {
    /// What a span marks is right.
    FalseMark,
    /// There is a mistake that no span marks.
    MissedMistake,
    /// The score is too low or too high.
    Score,
}

/// What can have happened in a lesson.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The lesson began.
    LessonStarted {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// Its clips and tasks.
        plan: LessonPlan,
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// A segment of a clip was played again.
    ClipSegmentRepeated {
        /// Whose lesson.
        learner_id: UserId,
        /// The clip.
        clip_id: ClipId,
        /// The viewing in which it happened.
        viewing_id: ViewingId,
        /// Segment and times.
        repeat: SegmentRepeat,
    },
    /// A clip was watched, wholly or in part.
    ShortClipConsumed {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The clip.
        clip_id: ClipId,
        /// This viewing.
        viewing_id: ViewingId,
        /// Time spent watching, in milliseconds.
        watched_ms: u32,
        /// Playback speed in percent, 100 for normal.
        speed_percent: u16,
        /// Segments played again, all in all.
        repeats: u32,
        /// Whether it was watched to its end.
        to_the_end: bool,
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// The learner answered a task.
    AttemptSubmitted {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// This attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// How it was answered.
        kind: TaskKind,
        /// Which attempt at the task, from 1.
        ordinal: u32,
        /// The answer, encrypted under the learner's key.
        answer: Sealed,
        /// How many words it has.
        words: u32,
        /// How long the learner worked or spoke, in milliseconds, where measured.
        duration_ms: Option<u32>,
    },
    /// An attempt could not be evaluated when it came in, and will be.
    EvaluationDeferred {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// Why.
        reason: DeferralReason,
        /// The arm of an experiment by whose model it is to be evaluated.
        assignment: Option<Assignment>,
    },
    /// An attempt was evaluated. Version 1 had no `assignment`.
    EvaluationCompleted {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// The skill that it trains.
        skill: Skill,
        /// What it trains.
        focus: Focus,
        /// What the model found.
        verdict: Verdict,
        /// Whether the score reached [`PASS_SCORE`].
        passed: bool,
        /// The arm of an experiment that decided by which model.
        assignment: Option<Assignment>,
    },
    /// The learner says that an evaluation is wrong.
    EvaluationDisputed {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// Which of the verdict's spans, from 0; `None` for the verdict as a whole.
        span: Option<u32>,
        /// What is wrong.
        kind: DisputeKind,
    },
    /// It was judged how a recording was spoken. The recording itself is kept nowhere.
    PronunciationAssessed {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// The attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// What was heard, but for the words.
        spoken: Spoken,
        /// The verdict on every word and sound, as JSON, encrypted under the learner's key.
        detail: Sealed,
    },
    /// The lesson was completed.
    LessonCompleted {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// Clips consumed.
        clips: u32,
        /// Attempts made.
        attempts: u32,
        /// Mean of the best scores of the attempted tasks, 0 to 1.
        mean_score: f64,
        /// Time spent on clips and attempts, in milliseconds.
        active_ms: u64,
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// The learner gave the lesson up.
    LessonAbandoned {
        /// The lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
    },
}

impl DomainEvent for Event {
    const VERSIONS: &'static [(&'static str, u16)] = &[("EvaluationCompleted", 2)];

    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A lesson, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Set once started.
    pub course: Option<Course>,
}

/// A started lesson.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The lesson.
    pub lesson_id: LessonId,
    /// Whose lesson.
    pub learner_id: UserId,
    /// Its clips and tasks.
    pub plan: LessonPlan,
    /// Clips consumed.
    pub consumed: BTreeSet<ClipId>,
    /// Viewings taken in.
    pub viewings: BTreeSet<ViewingId>,
    /// Attempts taken in.
    pub attempts: BTreeSet<AttemptId>,
    /// Attempts that wait for their verdict.
    pub pending: BTreeMap<AttemptId, Pending>,
    /// How many spans the verdict on each evaluated attempt has.
    pub spans: BTreeMap<AttemptId, u32>,
    /// What the learner disputes, in the order in which they said so.
    pub disputes: Vec<Dispute>,
    /// Attempts and best score of each task that was attempted and evaluated.
    pub tasks: BTreeMap<TaskId, Attempted>,
    /// Time spent, in milliseconds.
    pub active_ms: u64,
    /// Set once ended.
    pub ending: Option<Ending>,
}

/// An attempt that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The task.
    pub task_id: TaskId,
    /// How it was answered.
    pub kind: TaskKind,
    /// The answer, sealed.
    pub answer: Sealed,
    /// The arm of an experiment by whose model it is to be evaluated.
    pub assignment: Option<Assignment>,
}

/// What a learner disputes of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Which span, or the verdict as a whole.
    pub span: Option<u32>,
    /// What is wrong.
    pub kind: DisputeKind,
}

/// How far a task got.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempted {
    /// Attempts made and evaluated.
    pub attempts: u32,
    /// The best score, 0 to 1.
    pub best_score: f64,
}

/// How a lesson ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Completed.
    Completed,
    /// Given up.
    Abandoned,
}

/// What can be asked of a lesson.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin.
    Start {
        /// The new lesson.
        lesson_id: LessonId,
        /// Whose lesson.
        learner_id: UserId,
        /// Its clips and tasks.
        plan: LessonPlan,
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// Record a viewing of a clip.
    ConsumeClip {
        /// This viewing.
        viewing_id: ViewingId,
        /// The clip.
        clip_id: ClipId,
        /// Time spent watching, in milliseconds.
        watched_ms: u32,
        /// Playback speed in percent, 25 to 300.
        speed_percent: u16,
        /// Segments played again.
        repeats: Vec<SegmentRepeat>,
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// Answer a task.
    SubmitAttempt {
        /// This attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// How it was answered.
        kind: TaskKind,
        /// The answer, sealed.
        answer: Sealed,
        /// Its words.
        words: u32,
        /// Milliseconds worked or spoken, where measured.
        duration_ms: Option<u32>,
        /// What the model found, or why it will later.
        evaluation: Evaluation,
        /// The arm of an experiment that decided by which model.
        assignment: Option<Assignment>,
    },
    /// Take in the verdict on an attempt that waits for it.
    CompleteEvaluation {
        /// The attempt.
        attempt_id: AttemptId,
        /// What the model found.
        verdict: Verdict,
        /// The arm of an experiment that decided by which model; none where another model had to do.
        assignment: Option<Assignment>,
    },
    /// Say that an evaluation is wrong.
    DisputeEvaluation(Dispute),
    /// Answer a task by a recording.
    SubmitRecording {
        /// This attempt.
        attempt_id: AttemptId,
        /// The task.
        task_id: TaskId,
        /// What was said, sealed.
        answer: Sealed,
        /// Its words.
        words: u32,
        /// What the evaluator found in the text.
        verdict: Verdict,
        /// The arm of an experiment that decided by which model.
        assignment: Option<Assignment>,
        /// What was heard.
        spoken: Spoken,
        /// The verdict on every word and sound, sealed.
        detail: Sealed,
    },
    /// Finish.
    Complete {
        /// The learner's calendar day.
        local_date: NaiveDate,
    },
    /// Give up.
    Abandon,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such lesson.
    #[error("this lesson was never started: start one first")]
    NotStarted,
    /// The lesson exists.
    #[error("lesson {0} was already started by another learner")]
    AlreadyStarted(LessonId),
    /// The plan holds nothing.
    #[error("the plan of lesson {0} has no clip or no task")]
    EmptyPlan(LessonId),
    /// The lesson has ended.
    #[error("lesson {0} has ended: start a new one")]
    Ended(LessonId),
    /// The clip is not of this lesson.
    #[error("clip {clip_id} is not part of lesson {lesson_id}")]
    UnknownClip {
        /// The clip.
        clip_id: ClipId,
        /// The lesson.
        lesson_id: LessonId,
    },
    /// The viewing cannot have happened so.
    #[error("the viewing of clip {clip_id} is not possible: {reason}")]
    ImpossibleViewing {
        /// The clip.
        clip_id: ClipId,
        /// What is wrong.
        reason: &'static str,
    },
    /// The task is not of this lesson.
    #[error("task {task_id} is not part of lesson {lesson_id}")]
    UnknownTask {
        /// The task.
        task_id: TaskId,
        /// The lesson.
        lesson_id: LessonId,
    },
    /// The task is answered another way.
    #[error("task {task_id} is a {expected} task: send a {expected} attempt")]
    WrongKind {
        /// The task.
        task_id: TaskId,
        /// How it is answered.
        expected: TaskKind,
    },
    /// The clip of the task was not watched.
    #[error("task {task_id} is about clip {clip_id}: watch the clip first")]
    ClipNotConsumed {
        /// The task.
        task_id: TaskId,
        /// The clip.
        clip_id: ClipId,
    },
    /// The answer is too short.
    #[error("the answer has {words} words, task {task_id} asks for at least {min_words}")]
    TooShort {
        /// The task.
        task_id: TaskId,
        /// Words of the answer.
        words: u32,
        /// Words asked for.
        min_words: u32,
    },
    /// The task was attempted too often.
    #[error("task {0} was attempted {MAX_ATTEMPTS_PER_TASK} times, which is the limit: go on to another task")]
    TooManyAttempts(TaskId),
    /// There is no such attempt.
    #[error("lesson {lesson_id} has no attempt {attempt_id}")]
    UnknownAttempt {
        /// The lesson.
        lesson_id: LessonId,
        /// The attempt.
        attempt_id: AttemptId,
    },
    /// The attempt waits for its verdict.
    #[error("attempt {0} has no verdict yet: wait for it")]
    NotEvaluated(AttemptId),
    /// The verdict has no such span.
    #[error("the verdict on attempt {attempt_id} has {spans} spans, from 0: there is no span {span}")]
    UnknownSpan {
        /// The attempt.
        attempt_id: AttemptId,
        /// Spans of its verdict.
        spans: u32,
        /// The one that was named.
        span: u32,
    },
    /// What is disputed does not fit whether a span is named.
    #[error("a false mark names the span that is wrong, and what else is disputed names none")]
    SpanUnfit,
    /// The learner has said otherwise.
    #[error("this part of the verdict on attempt {0} was disputed on another ground")]
    AlreadyDisputed(AttemptId),
    /// All work is done, but verdicts are missing.
    #[error("lesson {lesson_id} has {pending} attempts that wait for their evaluation: complete it when they have it")]
    EvaluationPending {
        /// The lesson.
        lesson_id: LessonId,
        /// Attempts without a verdict.
        pending: u32,
    },
    /// There is more to do before the end.
    #[error("lesson {lesson_id} is not done: {clips_left} clips to watch, {attempts_left} tasks to attempt")]
    NotDone {
        /// The lesson.
        lesson_id: LessonId,
        /// Clips not consumed.
        clips_left: u32,
        /// Required tasks not attempted.
        attempts_left: u32,
    },
}

impl Decider for Lesson {
    const AGGREGATE: &'static str = "lesson";
    const CONTEXT: &'static str = "learning";
    const SNAPSHOT_VERSION: u16 = 3;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.course) {
            (Command::Start { lesson_id, learner_id, plan, local_date }, None) => {
                if plan.clips.is_empty() || plan.tasks.is_empty() {
                    return Err(Error::EmptyPlan(lesson_id));
                }
                Ok(vec![Event::LessonStarted { lesson_id, learner_id, plan, local_date }])
            }
            (Command::Start { learner_id, .. }, Some(course)) if course.learner_id == learner_id => Ok(vec![]),
            (Command::Start { .. }, Some(course)) => Err(Error::AlreadyStarted(course.lesson_id)),
            (_, None) => Err(Error::NotStarted),
            (
                Command::ConsumeClip { viewing_id, clip_id, watched_ms, speed_percent, repeats, local_date },
                Some(course),
            ) => course.consume_clip(viewing_id, clip_id, watched_ms, speed_percent, repeats, local_date),
            (command @ Command::SubmitAttempt { .. }, Some(course)) => course.submit_attempt(command),
            (Command::CompleteEvaluation { attempt_id, verdict, assignment }, Some(course)) => {
                course.complete_evaluation(attempt_id, verdict, assignment)
            }
            (Command::DisputeEvaluation(dispute), Some(course)) => course.dispute(dispute),
            (
                Command::SubmitRecording { attempt_id, task_id, answer, words, verdict, assignment, spoken, detail },
                Some(course),
            ) => {
                let attempt = Command::SubmitAttempt {
                    attempt_id,
                    task_id: task_id.clone(),
                    kind: TaskKind::Speaking,
                    answer,
                    words,
                    duration_ms: Some(spoken.fluency.speaking_ms),
                    evaluation: Evaluation::Given(verdict),
                    assignment,
                };
                let mut events = course.submit_attempt(attempt)?;
                if !events.is_empty() {
                    let (lesson_id, learner_id) = (course.lesson_id, course.learner_id);
                    let assessed =
                        Event::PronunciationAssessed { lesson_id, learner_id, attempt_id, task_id, spoken, detail };
                    // Before the evaluation, which ends an attempt.
                    events.insert(1, assessed);
                }
                Ok(events)
            }
            (Command::Complete { local_date }, Some(course)) => course.complete(local_date),
            (Command::Abandon, Some(course)) => match course.ending {
                None => Ok(vec![Event::LessonAbandoned { lesson_id: course.lesson_id, learner_id: course.learner_id }]),
                Some(Ending::Abandoned) => Ok(vec![]),
                Some(Ending::Completed) => Err(Error::Ended(course.lesson_id)),
            },
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::LessonStarted { lesson_id, learner_id, plan, .. } = event {
            self.course = Some(Course {
                lesson_id: *lesson_id,
                learner_id: *learner_id,
                plan: plan.clone(),
                consumed: BTreeSet::new(),
                viewings: BTreeSet::new(),
                attempts: BTreeSet::new(),
                pending: BTreeMap::new(),
                spans: BTreeMap::new(),
                disputes: Vec::new(),
                tasks: BTreeMap::new(),
                active_ms: 0,
                ending: None,
            });
            return;
        }
        let Some(course) = &mut self.course else { return };
        match event {
            Event::LessonStarted { .. } | Event::ClipSegmentRepeated { .. } | Event::PronunciationAssessed { .. } => {}
            Event::ShortClipConsumed { clip_id, viewing_id, watched_ms, .. } => {
                course.consumed.insert(clip_id.clone());
                course.viewings.insert(*viewing_id);
                course.active_ms += u64::from(*watched_ms);
            }
            Event::AttemptSubmitted { attempt_id, task_id, kind, answer, duration_ms, .. } => {
                course.attempts.insert(*attempt_id);
                let (task_id, kind, answer) = (task_id.clone(), *kind, answer.clone());
                course.pending.insert(*attempt_id, Pending { task_id, kind, answer, assignment: None });
                course.active_ms += u64::from(duration_ms.unwrap_or(0));
            }
            Event::EvaluationDeferred { attempt_id, assignment, .. } => {
                if let Some(pending) = course.pending.get_mut(attempt_id) {
                    pending.assignment.clone_from(assignment);
                }
            }
            Event::EvaluationCompleted { attempt_id, task_id, verdict, .. } => {
                course.pending.remove(attempt_id);
                course.spans.insert(*attempt_id, u32::try_from(verdict.spans.len()).unwrap_or(u32::MAX));
                let task =
                    course.tasks.entry(task_id.clone()).or_insert(Attempted { attempts: 0, best_score: verdict.score });
                task.attempts += 1;
                task.best_score = task.best_score.max(verdict.score);
            }
            Event::EvaluationDisputed { attempt_id, span, kind, .. } => {
                course.disputes.push(Dispute { attempt_id: *attempt_id, span: *span, kind: *kind });
            }
            Event::LessonCompleted { .. } => course.ending = Some(Ending::Completed),
            Event::LessonAbandoned { .. } => course.ending = Some(Ending::Abandoned),
        }
    }

    fn upcast(event_type: &str, version: u16, payload: &Value) -> Option<Value> {
        if (event_type, version) != ("EvaluationCompleted", 1) {
            return None;
        }
        // Before experiments one model evaluated everybody. None compared meanings, which a verdict leaves out then.
        let mut payload = payload.clone();
        payload.as_object_mut()?.insert("assignment".into(), Value::Null);
        Some(payload)
    }
}

impl Course {
    fn consume_clip(
        &self,
        viewing_id: ViewingId,
        clip_id: ClipId,
        watched_ms: u32,
        speed_percent: u16,
        repeats: Vec<SegmentRepeat>,
        local_date: NaiveDate,
    ) -> Result<Vec<Event>, Error> {
        if self.viewings.contains(&viewing_id) {
            return Ok(vec![]);
        }
        self.must_be_open()?;
        let Some(clip) = self.plan.clips.iter().find(|clip| clip.clip_id == clip_id) else {
            return Err(Error::UnknownClip { clip_id, lesson_id: self.lesson_id });
        };
        let impossible = |reason| Err(Error::ImpossibleViewing { clip_id: clip_id.clone(), reason });
        if !(25..=300).contains(&speed_percent) {
            return impossible("the playback speed must lie between 25 and 300 percent");
        }
        if watched_ms == 0 || watched_ms > 6 * 60 * 60 * 1000 {
            return impossible("the time watched must lie between 1 millisecond and 6 hours");
        }
        if repeats.iter().any(|repeat| repeat.segment >= clip.segments) {
            return impossible("a repeated segment is not in the clip");
        }
        if repeats.iter().any(|repeat| !(1..=100).contains(&repeat.times)) {
            return impossible("a segment can be repeated 1 to 100 times");
        }
        if repeats.iter().map(|repeat| repeat.segment).collect::<BTreeSet<_>>().len() != repeats.len() {
            return impossible("a segment is named twice among the repeats");
        }
        let learner_id = self.learner_id;
        // Nine tenths of the clip at the speed that was chosen: players stop a little before the end.
        let needed_ms = u64::from(clip.duration_ms) * 90 / u64::from(speed_percent);
        let consumed = Event::ShortClipConsumed {
            lesson_id: self.lesson_id,
            learner_id,
            clip_id: clip_id.clone(),
            viewing_id,
            watched_ms,
            speed_percent,
            repeats: repeats.iter().map(|repeat| repeat.times).sum(),
            to_the_end: u64::from(watched_ms) >= needed_ms,
            local_date,
        };
        Ok(repeats
            .into_iter()
            .map(|repeat| Event::ClipSegmentRepeated { learner_id, clip_id: clip_id.clone(), viewing_id, repeat })
            .chain([consumed])
            .collect())
    }

    /// Checks all that can be checked before the answer is evaluated, so that no model runs in vain.
    ///
    /// # Errors
    /// The rule that the attempt would break.
    pub fn check_attempt(&self, task_id: &TaskId, kind: TaskKind, words: u32) -> Result<(), Error> {
        self.must_be_open()?;
        let Some(task) = self.plan.tasks.iter().find(|task| task.task_id == *task_id) else {
            return Err(Error::UnknownTask { task_id: task_id.clone(), lesson_id: self.lesson_id });
        };
        if task.kind != kind {
            return Err(Error::WrongKind { task_id: task_id.clone(), expected: task.kind });
        }
        if !self.consumed.contains(&task.clip_id) {
            return Err(Error::ClipNotConsumed { task_id: task_id.clone(), clip_id: task.clip_id.clone() });
        }
        if words < task.min_words {
            return Err(Error::TooShort { task_id: task_id.clone(), words, min_words: task.min_words });
        }
        if self.attempts_at(task_id) >= MAX_ATTEMPTS_PER_TASK {
            return Err(Error::TooManyAttempts(task_id.clone()));
        }
        Ok(())
    }

    fn submit_attempt(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::SubmitAttempt { attempt_id, task_id, kind, answer, words, duration_ms, evaluation, assignment } =
            command
        else {
            return Ok(vec![]);
        };
        if self.attempts.contains(&attempt_id) {
            return Ok(vec![]);
        }
        self.check_attempt(&task_id, kind, words)?;
        let (lesson_id, learner_id) = (self.lesson_id, self.learner_id);
        let submitted = Event::AttemptSubmitted {
            lesson_id,
            learner_id,
            attempt_id,
            task_id: task_id.clone(),
            kind,
            ordinal: self.attempts_at(&task_id) + 1,
            answer,
            words,
            duration_ms,
        };
        let evaluated = match evaluation {
            Evaluation::Given(verdict) => self.evaluated(attempt_id, task_id, kind, verdict, assignment),
            Evaluation::Deferred(reason) => {
                Event::EvaluationDeferred { lesson_id, learner_id, attempt_id, task_id, reason, assignment }
            }
        };
        Ok(vec![submitted, evaluated])
    }

    /// A lesson that has ended takes verdicts too.
    fn complete_evaluation(
        &self,
        attempt_id: AttemptId,
        verdict: Verdict,
        assignment: Option<Assignment>,
    ) -> Result<Vec<Event>, Error> {
        match self.pending.get(&attempt_id).cloned() {
            Some(Pending { task_id, kind, .. }) => {
                Ok(vec![self.evaluated(attempt_id, task_id, kind, verdict, assignment)])
            }
            None if self.attempts.contains(&attempt_id) => Ok(vec![]),
            None => Err(Error::UnknownAttempt { lesson_id: self.lesson_id, attempt_id }),
        }
    }

    /// A learner may look at a verdict long after the lesson, and dispute it then.
    fn dispute(&self, dispute: Dispute) -> Result<Vec<Event>, Error> {
        let Dispute { attempt_id, span, kind } = dispute;
        let (lesson_id, learner_id) = (self.lesson_id, self.learner_id);
        let spans = match self.spans.get(&attempt_id) {
            Some(spans) => *spans,
            None if self.attempts.contains(&attempt_id) => return Err(Error::NotEvaluated(attempt_id)),
            None => return Err(Error::UnknownAttempt { lesson_id, attempt_id }),
        };
        if span.is_some() != (kind == DisputeKind::FalseMark) {
            return Err(Error::SpanUnfit);
        }
        if let Some(span) = span.filter(|span| *span >= spans) {
            return Err(Error::UnknownSpan { attempt_id, spans, span });
        }
        match self.disputes.iter().find(|known| (known.attempt_id, known.span) == (attempt_id, span)) {
            Some(known) if known.kind == kind => Ok(vec![]),
            Some(_) => Err(Error::AlreadyDisputed(attempt_id)),
            None => Ok(vec![Event::EvaluationDisputed { lesson_id, learner_id, attempt_id, span, kind }]),
        }
    }

    fn evaluated(
        &self,
        attempt_id: AttemptId,
        task_id: TaskId,
        kind: TaskKind,
        verdict: Verdict,
        assignment: Option<Assignment>,
    ) -> Event {
        let focus = self.plan.tasks.iter().find(|task| task.task_id == task_id).map(|task| task.focus.clone());
        Event::EvaluationCompleted {
            lesson_id: self.lesson_id,
            learner_id: self.learner_id,
            attempt_id,
            task_id,
            skill: kind.skill(),
            focus: focus.expect("a task that was attempted is in the plan"),
            passed: verdict.score >= PASS_SCORE,
            verdict,
            assignment,
        }
    }

    fn complete(&self, local_date: NaiveDate) -> Result<Vec<Event>, Error> {
        if self.ending == Some(Ending::Completed) {
            return Ok(vec![]);
        }
        self.must_be_open()?;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let clips_left = count(self.plan.clips.len().saturating_sub(self.consumed.len()));
        let attempts_left = self.attempts_left();
        if clips_left > 0 || attempts_left > 0 {
            return Err(Error::NotDone { lesson_id: self.lesson_id, clips_left, attempts_left });
        }
        if count(self.tasks.len()) < self.plan.required_attempts {
            return Err(Error::EvaluationPending { lesson_id: self.lesson_id, pending: count(self.pending.len()) });
        }
        let scores: f64 = self.tasks.values().map(|task| task.best_score).sum();
        Ok(vec![Event::LessonCompleted {
            lesson_id: self.lesson_id,
            learner_id: self.learner_id,
            clips: count(self.consumed.len()),
            attempts: self.tasks.values().map(|task| task.attempts).sum(),
            mean_score: scores / f64::from(count(self.tasks.len()).max(1)),
            active_ms: self.active_ms,
            local_date,
        }])
    }

    /// How often a task was attempted.
    pub fn attempts_at(&self, task_id: &TaskId) -> u32 {
        let pending = self.pending.values().filter(|pending| pending.task_id == *task_id).count();
        self.tasks.get(task_id).map_or(0, |task| task.attempts) + u32::try_from(pending).unwrap_or(u32::MAX)
    }

    /// Tasks that must still be attempted. Those whose attempts wait for their evaluation were attempted.
    pub fn attempts_left(&self) -> u32 {
        let attempted = self.tasks.keys().chain(self.pending.values().map(|pending| &pending.task_id));
        let attempted = u32::try_from(attempted.collect::<BTreeSet<_>>().len()).unwrap_or(u32::MAX);
        self.plan.required_attempts.saturating_sub(attempted)
    }

    fn must_be_open(&self) -> Result<(), Error> {
        match self.ending {
            None => Ok(()),
            Some(_) => Err(Error::Ended(self.lesson_id)),
        }
    }
}

#[cfg(test)]
mod tests;
