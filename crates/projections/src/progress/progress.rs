//! The progress of each learner: mastery, levels, streak, and the work of each day.
//!
//! A day is the learner's own calendar day, as the events name it. An attempt names none: it counts for the latest day
//! that its lesson named (its start, or its latest viewing), and for the UTC day of its recording where that is not
//! known.
//! Lessons that are started or completed and clips that are watched keep a streak; attempts come only after a clip.
//!
//! Events go in by the batch: what they need is read at once, folded in memory ([`fold`]), and written at once
//! ([`tables`]). One event is a batch of one.

mod fold;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::assessment::Assessment,
    ids::{AssessmentId, UserId},
    learning::lesson::Lesson,
    level::{Cefr, Skill},
    progress::progress::Progress as Aggregate,
};
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor};

use self::fold::Fold;
use crate::{Order, Personal, Projection, ProjectionError, row};

/// How a learner gets on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerProgress {
    /// Whose progress.
    pub learner_id: UserId,
    /// The probability of doing well in each skill that there is evidence of, strictly between 0 and 1.
    pub mastery: BTreeMap<Skill, f64>,
    /// Days in a row.
    pub streak: Streak,
    /// Time spent on clips and attempts, in milliseconds.
    pub active_ms: i64,
    /// Clips watched, each viewing counted.
    pub clips: i64,
    /// Attempts made.
    pub attempts: i64,
    /// Lessons started.
    pub lessons_started: i64,
    /// Lessons completed.
    pub lessons_completed: i64,
    /// Mean score of all evaluated attempts, 0 to 1; none before the first.
    pub mean_score: Option<f64>,
    /// The latest 100 level tests, the oldest first.
    pub levels: Vec<LevelPoint>,
    /// The latest 365 days with activity, the oldest first.
    pub days: Vec<Day>,
    /// The latest 500 changes of mastery, the oldest first.
    pub history: Vec<MasteryPoint>,
    /// Position of the last event that changed any of this.
    pub position: i64,
}

/// Days in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Days in a row up to and including `last_active_on`.
    pub current: u32,
    /// The most days in a row that there ever were.
    pub longest: u32,
    /// The latest day with activity.
    pub last_active_on: Option<NaiveDate>,
}

impl Streak {
    /// Days in a row as seen on the learner's day `today`: a day without activity that is over ends them.
    pub fn on(&self, today: NaiveDate) -> u32 {
        let stands = self.last_active_on.and_then(|day| day.succ_opt()).is_some_and(|next| today <= next);
        if stands { self.current } else { 0 }
    }
}

/// The outcome of a level test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelPoint {
    /// The test.
    pub assessment_id: AssessmentId,
    /// When it was finished.
    pub at: DateTime<Utc>,
    /// The band.
    pub band: Cefr,
    /// Ability in logits.
    pub theta: f64,
    /// Standard error of theta, in logits.
    pub standard_error: f64,
    /// Position of its event.
    pub position: i64,
}

/// The work of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The learner's calendar day.
    pub date: NaiveDate,
    /// Time spent on clips and attempts, in milliseconds.
    pub active_ms: i64,
    /// Clips watched, each viewing counted.
    pub clips: i64,
    /// Attempts made.
    pub attempts: i64,
    /// Lessons completed.
    pub lessons: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// Mastery of a skill after a piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasteryPoint {
    /// When.
    pub at: DateTime<Utc>,
    /// The skill.
    pub skill: Skill,
    /// The probability of doing well in it, strictly between 0 and 1.
    pub mastery: f64,
    /// Position of the event.
    pub position: i64,
}

/// The progress of a learner; `None` before the first lesson or test.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<LearnerProgress>, sqlx::Error> {
    let sql = "SELECT to_jsonb(p) || jsonb_build_object(
            'streak', jsonb_build_object('current', p.current_streak, 'longest', p.longest_streak,
                                         'last_active_on', p.last_active_on),
            'mean_score', p.score_sum / nullif(p.scored, 0),
            'mastery', coalesce((SELECT jsonb_object_agg(s.skill, s.mastery) FROM progress_skills s
                                 WHERE s.learner_id = p.learner_id), '{}'),
            'levels', coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.position) FROM (
                SELECT * FROM progress_levels l WHERE l.learner_id = p.learner_id
                ORDER BY l.position DESC LIMIT 100) t), '[]'),
            'days', coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.date) FROM (
                SELECT * FROM progress_days d WHERE d.learner_id = p.learner_id
                ORDER BY d.date DESC LIMIT 365) t), '[]'),
            'history', coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.position, t.skill) FROM (
                SELECT * FROM progress_history h WHERE h.learner_id = p.learner_id
                ORDER BY h.position DESC, h.skill DESC LIMIT 500) t), '[]'))
        FROM progress p WHERE p.learner_id = $1";
    row::find(db, sql, learner.0).await
}

/// Keeps `progress`.
pub struct Progress;

impl Projection for Progress {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["progress", "progress_skills", "progress_history", "progress_levels", "progress_days", "progress_lessons"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "progress_skills", of: "learner_id = $1" },
            Personal::Rows { table: "progress_history", of: "learner_id = $1" },
            Personal::Rows { table: "progress_levels", of: "learner_id = $1" },
            Personal::Rows { table: "progress_days", of: "learner_id = $1" },
            Personal::Rows { table: "progress_lessons", of: "learner_id = $1" },
            Personal::Rows { table: "progress", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Lesson::AGGREGATE | Aggregate::AGGREGATE | Assessment::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        self.apply_all(db, std::slice::from_ref(event))
    }

    fn apply_all<'a>(
        &'a self,
        db: &'a mut PgConnection,
        events: &'a [Recorded<AnyEvent>],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            let mut fold = Fold::over(events)?;
            tables::read(db, &mut fold).await?;
            for event in events {
                fold.take_in(event)?;
            }
            tables::write(db, &fold).await?;
            Ok(())
        })
    }
}
