//! The progress of each learner: mastery, levels, streak, and the work of each day.
//!
//! A day is the learner's own calendar day, as the events name it. An attempt names none: it counts for the latest day
//! that its lesson named (its start, or its latest viewing), and for the UTC day of its recording where that is not
//! known.
//! Lessons that are started or completed and clips that are watched keep a streak; attempts come only after a clip.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::assessment::{Assessment, Event as AssessmentEvent},
    ids::{AssessmentId, UserId},
    learning::lesson::{Event as LessonEvent, Lesson},
    level::{Cefr, Skill},
    progress::progress::{Event as ProgressEvent, Mastery, Progress as Aggregate},
};
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::{Order, Projection, ProjectionError, projection::aggregate_id, row};

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
pub async fn find(pool: &PgPool, learner: UserId) -> Result<Option<LearnerProgress>, sqlx::Error> {
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
    row::find(pool, sql, learner.0).await
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

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Lesson::AGGREGATE | Aggregate::AGGREGATE | Assessment::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Lesson(change) => apply_lesson(db, event, change).await,
                AnyEvent::Progress(ProgressEvent::ProgressUpdated { learner_id, mastery, .. }) => {
                    Totals::change(db, *learner_id, event.position, |_| {}).await?;
                    for (skill, known) in mastery {
                        apply_mastery(db, event, *learner_id, *skill, *known).await?;
                    }
                    Ok(())
                }
                AnyEvent::Assessment(AssessmentEvent::LevelAssessed { assessment_id, learner_id, report, .. }) => {
                    Totals::change(db, *learner_id, event.position, |_| {}).await?;
                    sqlx::query(
                        "INSERT INTO progress_levels (learner_id, position, assessment_id, at, band, theta,
                                                      standard_error)
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(learner_id.0)
                    .bind(event.position)
                    .bind(assessment_id.0)
                    .bind(event.recorded_at)
                    .bind(report.band.to_string())
                    .bind(report.ability.theta)
                    .bind(report.ability.standard_error)
                    .execute(db)
                    .await?;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

async fn apply_mastery(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    learner: UserId,
    skill: Skill,
    known: Mastery,
) -> Result<(), ProjectionError> {
    for sql in [
        "INSERT INTO progress_history (learner_id, skill, mastery, at, position) VALUES ($1, $2, $3, $4, $5)",
        "INSERT INTO progress_skills (learner_id, skill, mastery, at, position) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (learner_id, skill) DO UPDATE
         SET mastery = excluded.mastery, at = excluded.at, position = excluded.position",
    ] {
        sqlx::query(sql)
            .bind(learner.0)
            .bind(skill.to_string())
            .bind(known.mean())
            .bind(event.recorded_at)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn apply_lesson(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &LessonEvent,
) -> Result<(), ProjectionError> {
    let lesson = aggregate_id(event)?;
    let position = event.position;
    match change {
        LessonEvent::LessonStarted { learner_id, local_date, .. } => {
            set_lesson_date(db, lesson, *local_date).await?;
            Totals::change(db, *learner_id, position, |totals| {
                totals.lessons_started += 1;
                totals.active_on(*local_date);
            })
            .await?;
        }
        LessonEvent::ShortClipConsumed { learner_id, watched_ms, local_date, .. } => {
            set_lesson_date(db, lesson, *local_date).await?;
            let work = Work { active_ms: i64::from(*watched_ms), clips: 1, ..Work::default() };
            Totals::change(db, *learner_id, position, |totals| {
                totals.add(work);
                totals.active_on(*local_date);
            })
            .await?;
            add_to_day(db, *learner_id, *local_date, position, work).await?;
        }
        LessonEvent::AttemptSubmitted { learner_id, duration_ms, .. } => {
            let named: Option<NaiveDate> =
                sqlx::query_scalar("SELECT local_date FROM progress_lessons WHERE lesson_id = $1")
                    .bind(lesson)
                    .fetch_optional(&mut *db)
                    .await?;
            let date = named.unwrap_or_else(|| event.recorded_at.date_naive());
            let work = Work { active_ms: i64::from(duration_ms.unwrap_or(0)), attempts: 1, ..Work::default() };
            Totals::change(db, *learner_id, position, |totals| totals.add(work)).await?;
            add_to_day(db, *learner_id, date, position, work).await?;
        }
        LessonEvent::EvaluationCompleted { learner_id, verdict, .. } => {
            Totals::change(db, *learner_id, position, |totals| {
                totals.scored += 1;
                totals.score_sum += verdict.score;
            })
            .await?;
        }
        LessonEvent::LessonCompleted { learner_id, local_date, .. } => {
            let work = Work { lessons: 1, ..Work::default() };
            Totals::change(db, *learner_id, position, |totals| {
                totals.add(work);
                totals.active_on(*local_date);
            })
            .await?;
            add_to_day(db, *learner_id, *local_date, position, work).await?;
            forget_lesson_date(db, lesson).await?;
        }
        LessonEvent::LessonAbandoned { .. } => forget_lesson_date(db, lesson).await?,
        _ => {}
    }
    Ok(())
}

/// What one event adds.
#[derive(Clone, Copy, Default)]
struct Work {
    active_ms: i64,
    clips: i64,
    attempts: i64,
    lessons: i64,
}

/// The row of a learner.
#[derive(Default, FromRow)]
struct Totals {
    current_streak: i32,
    longest_streak: i32,
    last_active_on: Option<NaiveDate>,
    active_ms: i64,
    clips: i64,
    attempts: i64,
    lessons_started: i64,
    lessons_completed: i64,
    scored: i64,
    score_sum: f64,
}

impl Totals {
    async fn change(
        db: &mut PgConnection,
        learner: UserId,
        position: i64,
        change: impl FnOnce(&mut Self) + Send,
    ) -> Result<(), sqlx::Error> {
        let known: Option<Self> = sqlx::query_as(
            "SELECT current_streak, longest_streak, last_active_on, active_ms, clips, attempts, lessons_started,
                    lessons_completed, scored, score_sum
             FROM progress WHERE learner_id = $1",
        )
        .bind(learner.0)
        .fetch_optional(&mut *db)
        .await?;
        let mut totals = known.unwrap_or_default();
        change(&mut totals);
        sqlx::query(
            "INSERT INTO progress (learner_id, current_streak, longest_streak, last_active_on, active_ms, clips,
                                   attempts, lessons_started, lessons_completed, scored, score_sum, position)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (learner_id) DO UPDATE
             SET current_streak = excluded.current_streak, longest_streak = excluded.longest_streak,
                 last_active_on = excluded.last_active_on, active_ms = excluded.active_ms, clips = excluded.clips,
                 attempts = excluded.attempts, lessons_started = excluded.lessons_started,
                 lessons_completed = excluded.lessons_completed, scored = excluded.scored,
                 score_sum = excluded.score_sum, position = excluded.position",
        )
        .bind(learner.0)
        .bind(totals.current_streak)
        .bind(totals.longest_streak)
        .bind(totals.last_active_on)
        .bind(totals.active_ms)
        .bind(totals.clips)
        .bind(totals.attempts)
        .bind(totals.lessons_started)
        .bind(totals.lessons_completed)
        .bind(totals.scored)
        .bind(totals.score_sum)
        .bind(position)
        .execute(db)
        .await?;
        Ok(())
    }

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

async fn add_to_day(
    db: &mut PgConnection,
    learner: UserId,
    date: NaiveDate,
    position: i64,
    work: Work,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO progress_days AS d (learner_id, date, active_ms, clips, attempts, lessons, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (learner_id, date) DO UPDATE
         SET active_ms = d.active_ms + excluded.active_ms, clips = d.clips + excluded.clips,
             attempts = d.attempts + excluded.attempts, lessons = d.lessons + excluded.lessons,
             position = excluded.position",
    )
    .bind(learner.0)
    .bind(date)
    .bind(work.active_ms)
    .bind(work.clips)
    .bind(work.attempts)
    .bind(work.lessons)
    .bind(position)
    .execute(db)
    .await?;
    Ok(())
}

async fn set_lesson_date(db: &mut PgConnection, lesson: Uuid, date: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO progress_lessons (lesson_id, local_date) VALUES ($1, $2)
         ON CONFLICT (lesson_id) DO UPDATE SET local_date = excluded.local_date",
    )
    .bind(lesson)
    .bind(date)
    .execute(db)
    .await?;
    Ok(())
}

async fn forget_lesson_date(db: &mut PgConnection, lesson: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM progress_lessons WHERE lesson_id = $1").bind(lesson).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, World, date, in_a_world};

    async fn shown(world: &World) -> LearnerProgress {
        world.project().await;
        find(&world.pool, LEARNER).await.expect("a database").expect("progress")
    }

    #[tokio::test]
    async fn a_streak_counts_days_in_a_row_and_begins_anew_after_a_gap() {
        in_a_world(async |world| {
            world.start_lesson(20, "2026-02-27").await;
            world.watch(20, 1, 1000, "2026-02-27").await;
            world.watch(20, 2, 1000, "2026-02-28").await;
            world.watch(20, 3, 1000, "2026-03-01").await;
            let streak = shown(world).await.streak;
            assert_eq!((streak.current, streak.longest, streak.last_active_on), (3, 3, Some(date("2026-03-01"))));
            assert_eq!((streak.on(date("2026-03-02")), streak.on(date("2026-03-03"))), (3, 0));

            world.watch(20, 4, 1000, "2026-03-03").await;
            // Seen from the west, the day before comes again.
            world.watch(20, 5, 1000, "2026-03-02").await;
            let streak = shown(world).await.streak;
            assert_eq!((streak.current, streak.longest, streak.last_active_on), (1, 3, Some(date("2026-03-03"))));
        })
        .await;
    }

    #[tokio::test]
    async fn work_counts_for_the_learners_own_day() {
        in_a_world(async |world| {
            world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 1, 30_000, "2026-03-01").await;
            world.attempt(20, 2, 0.4).await;
            world.watch(20, 3, 60_000, "2026-03-02").await;
            // It names no day: its lesson is in the second by now.
            world.attempt(20, 4, 0.8).await;
            let completed = world.complete(20, "2026-03-02").await;
            let progress = shown(world).await;
            let days: Vec<_> =
                progress.days.iter().map(|d| (d.date, d.active_ms, d.clips, d.attempts, d.lessons)).collect();
            assert_eq!(days, [(date("2026-03-01"), 35_000, 1, 1, 0), (date("2026-03-02"), 65_000, 1, 1, 1)]);
            assert_eq!((progress.active_ms, progress.clips, progress.attempts), (100_000, 2, 2));
            assert_eq!((progress.lessons_started, progress.lessons_completed), (1, 1));
            assert!((progress.mean_score.expect("two scores") - 0.6).abs() < 1e-12);
            assert_eq!(progress.position, completed);
            let open: i64 = sqlx::query_scalar("SELECT count(*) FROM progress_lessons")
                .fetch_one(&world.pool)
                .await
                .expect("a database");
            assert_eq!(open, 0);
        })
        .await;
    }

    #[tokio::test]
    async fn mastery_and_levels_are_shown_with_their_history() {
        in_a_world(async |world| {
            world.start_sitting(10, 1).await;
            let assessed = world.answer(10, "one", true, "two").await;
            let positions = [world.observe(1, 1.0).await, world.observe(2, 1.0).await];
            let progress = shown(world).await;
            let levels: Vec<_> = progress.levels.iter().map(|it| (it.band, it.theta, it.position)).collect();
            assert_eq!(levels, [(Cefr::B2, 0.7, assessed)]);
            let history: Vec<_> = progress.history.iter().map(|it| (it.skill, it.position)).collect();
            assert_eq!(history, [(Skill::Writing, positions[0]), (Skill::Writing, positions[1])]);
            assert!((progress.history[0].mastery - 2.0 / 3.0).abs() < 1e-12);
            assert_eq!(progress.mastery, [(Skill::Writing, progress.history[1].mastery)].into());
            assert_eq!((progress.mean_score, progress.streak.current, progress.position), (None, 0, positions[1]));
        })
        .await;
    }
}
