//! What events make of the rows of learners: in memory, one event after the other.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Recorded,
    assessment::assessment::Event as AssessmentEvent,
    assessment::testing::LevelReport,
    ids::{AssessmentId, UserId},
    learning::lesson::Event as LessonEvent,
    level::Skill,
    progress::progress::{Event as ProgressEvent, Mastery},
};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{ProjectionError, projection::aggregate_id};

/// The rows that a batch of events reads or changes.
#[derive(Default)]
pub(super) struct Fold {
    /// The row of each learner whom the events change, and the position of the last that does; 0 until one has.
    pub(super) totals: BTreeMap<Uuid, (Totals, i64)>,
    /// The day that each lesson is in, `None` for a lesson that has ended or is not known.
    pub(super) lessons: BTreeMap<Uuid, LessonDay>,
    /// What is added to each day.
    pub(super) days: BTreeMap<(Uuid, NaiveDate), (Work, i64)>,
    /// The latest mastery of each skill.
    pub(super) skills: BTreeMap<(Uuid, Skill), Known>,
    /// Every mastery that there was.
    pub(super) history: Vec<(Uuid, Skill, Known)>,
    /// Every level.
    pub(super) levels: Vec<Level>,
}

/// The calendar day of a lesson.
#[derive(Clone, Copy, Default)]
pub(super) struct LessonDay {
    pub(super) date: Option<NaiveDate>,
    /// Whose lesson it is, where the events have set it.
    pub(super) learner: Option<UserId>,
    /// Whether an attempt has to know what the tables say.
    pub(super) asked: bool,
    /// Whether the events have set or forgotten it.
    pub(super) changed: bool,
}

/// A mastery with its place.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) mastery: f64,
    pub(super) at: DateTime<Utc>,
    pub(super) position: i64,
}

/// The outcome of a level test with its place.
pub(super) struct Level {
    pub(super) learner: Uuid,
    pub(super) assessment: AssessmentId,
    pub(super) report: LevelReport,
    pub(super) at: DateTime<Utc>,
    pub(super) position: i64,
}

/// What one event adds.
#[derive(Clone, Copy, Default)]
pub(super) struct Work {
    pub(super) active_ms: i64,
    pub(super) clips: i64,
    pub(super) attempts: i64,
    pub(super) lessons: i64,
}

/// The row of a learner.
#[derive(Default, FromRow)]
pub(super) struct Totals {
    pub(super) current_streak: i32,
    pub(super) longest_streak: i32,
    pub(super) last_active_on: Option<NaiveDate>,
    pub(super) active_ms: i64,
    pub(super) clips: i64,
    pub(super) attempts: i64,
    pub(super) lessons_started: i64,
    pub(super) lessons_completed: i64,
    pub(super) scored: i64,
    pub(super) score_sum: f64,
}

impl Fold {
    /// A fold that names the rows which these events need, still as if there were none.
    pub(super) fn over(events: &[Recorded<AnyEvent>]) -> Result<Self, ProjectionError> {
        let mut fold = Self::default();
        for event in events {
            if let Some(learner) = learner(&event.payload) {
                fold.totals.entry(learner.0).or_default();
            }
            if let AnyEvent::Lesson(LessonEvent::AttemptSubmitted { .. }) = &event.payload {
                fold.lessons.entry(aggregate_id(event)?).or_default().asked = true;
            }
        }
        Ok(fold)
    }

    /// Takes one event in.
    pub(super) fn take_in(&mut self, event: &Recorded<AnyEvent>) -> Result<(), ProjectionError> {
        match &event.payload {
            AnyEvent::Lesson(change) => self.take_in_lesson(event, change)?,
            AnyEvent::Progress(ProgressEvent::ProgressUpdated { learner_id, mastery, .. }) => {
                self.totals(*learner_id, event.position);
                for (skill, known) in mastery {
                    self.take_in_mastery(event, *learner_id, *skill, *known);
                }
            }
            AnyEvent::Assessment(AssessmentEvent::LevelAssessed { assessment_id, learner_id, report, .. }) => {
                self.totals(*learner_id, event.position);
                self.levels.push(Level {
                    learner: learner_id.0,
                    assessment: *assessment_id,
                    report: report.clone(),
                    at: event.recorded_at,
                    position: event.position,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn take_in_mastery(&mut self, event: &Recorded<AnyEvent>, learner: UserId, skill: Skill, known: Mastery) {
        let known = Known { mastery: known.expected, at: event.recorded_at, position: event.position };
        self.history.push((learner.0, skill, known));
        self.skills.insert((learner.0, skill), known);
    }

    fn take_in_lesson(&mut self, event: &Recorded<AnyEvent>, change: &LessonEvent) -> Result<(), ProjectionError> {
        let lesson = aggregate_id(event)?;
        let position = event.position;
        match change {
            LessonEvent::LessonStarted { learner_id, local_date, .. } => {
                self.set_day(lesson, Some((*learner_id, *local_date)));
                let totals = self.totals(*learner_id, position);
                totals.lessons_started += 1;
                totals.active_on(*local_date);
            }
            LessonEvent::ShortClipConsumed { learner_id, watched_ms, local_date, .. } => {
                self.set_day(lesson, Some((*learner_id, *local_date)));
                let work = Work { active_ms: i64::from(*watched_ms), clips: 1, ..Work::default() };
                self.work(*learner_id, *local_date, position, work).active_on(*local_date);
            }
            LessonEvent::AttemptSubmitted { learner_id, duration_ms, .. } => {
                let named = self.lessons.get(&lesson).and_then(|day| day.date);
                let date = named.unwrap_or_else(|| event.recorded_at.date_naive());
                let work = Work { active_ms: i64::from(duration_ms.unwrap_or(0)), attempts: 1, ..Work::default() };
                self.work(*learner_id, date, position, work);
            }
            LessonEvent::EvaluationCompleted { learner_id, verdict, .. } => {
                let totals = self.totals(*learner_id, position);
                totals.scored += 1;
                totals.score_sum += verdict.score;
            }
            LessonEvent::LessonCompleted { learner_id, local_date, .. } => {
                let work = Work { lessons: 1, ..Work::default() };
                self.work(*learner_id, *local_date, position, work).active_on(*local_date);
                self.set_day(lesson, None);
            }
            LessonEvent::LessonAbandoned { .. } => self.set_day(lesson, None),
            _ => {}
        }
        Ok(())
    }

    fn set_day(&mut self, lesson: Uuid, of: Option<(UserId, NaiveDate)>) {
        let day = self.lessons.entry(lesson).or_default();
        (day.learner, day.date) = of.unzip();
        day.changed = true;
    }

    /// The row of a learner, changed by the event at `position`.
    fn totals(&mut self, learner: UserId, position: i64) -> &mut Totals {
        let (totals, changed_at) = self.totals.entry(learner.0).or_default();
        *changed_at = position;
        totals
    }

    /// Adds work to a learner's row and to that of the day.
    fn work(&mut self, learner: UserId, date: NaiveDate, position: i64, work: Work) -> &mut Totals {
        let (day, changed_at) = self.days.entry((learner.0, date)).or_default();
        day.add(work);
        *changed_at = position;
        let totals = self.totals(learner, position);
        totals.add(work);
        totals
    }
}

/// The learner whose row an event changes.
fn learner(event: &AnyEvent) -> Option<UserId> {
    match event {
        AnyEvent::Lesson(
            LessonEvent::LessonStarted { learner_id, .. }
            | LessonEvent::ShortClipConsumed { learner_id, .. }
            | LessonEvent::AttemptSubmitted { learner_id, .. }
            | LessonEvent::EvaluationCompleted { learner_id, .. }
            | LessonEvent::LessonCompleted { learner_id, .. },
        )
        | AnyEvent::Progress(ProgressEvent::ProgressUpdated { learner_id, .. })
        | AnyEvent::Assessment(AssessmentEvent::LevelAssessed { learner_id, .. }) => Some(*learner_id),
        _ => None,
    }
}

impl Work {
    fn add(&mut self, other: Self) {
        self.active_ms += other.active_ms;
        self.clips += other.clips;
        self.attempts += other.attempts;
        self.lessons += other.lessons;
    }
}

impl Totals {
    fn add(&mut self, work: Work) {
        self.active_ms += work.active_ms;
        self.clips += work.clips;
        self.attempts += work.attempts;
        self.lessons_completed += work.lessons;
    }

    fn active_on(&mut self, date: NaiveDate) {
        self.current_streak = match self.last_active_on {
            // A learner who travels west may meet a day again; it counts once.
            Some(last) if date <= last => return,
            Some(last) if last.succ_opt() == Some(date) => self.current_streak + 1,
            _ => 1,
        };
        self.last_active_on = Some(date);
        self.longest_streak = self.longest_streak.max(self.current_streak);
    }
}
