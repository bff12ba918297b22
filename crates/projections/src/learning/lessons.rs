//! Lessons, with the clips watched and the attempts made.

use baeum_domain::{
    AnyEvent, Decider, Recorded, Sealed,
    ids::{AttemptId, ClipId, LessonId, TaskId, UserId},
    learning::{
        evaluation::{DeferralReason, Verdict},
        lesson::{Event, Lesson as LessonAggregate},
        planning::{LessonPlan, TaskKind},
    },
    level::Cefr,
};
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// How far a lesson is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LessonState {
    /// It takes viewings and attempts.
    InProgress,
    /// Its work is done.
    Completed,
    /// The learner gave it up.
    Abandoned,
}

/// A lesson with all that happened in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Its id.
    pub lesson_id: LessonId,
    /// Whose lesson.
    pub learner_id: UserId,
    /// The level that it was made for.
    pub level: Cefr,
    /// How far it is.
    pub state: LessonState,
    /// Its clips and tasks.
    pub plan: LessonPlan,
    /// The clips watched, by their names.
    pub clips: Vec<ConsumedClip>,
    /// The attempts, in the order in which they were made.
    pub attempts: Vec<Attempt>,
    /// Mean of the best scores of the attempted tasks, 0 to 1, once completed.
    pub mean_score: Option<f64>,
    /// Time spent on clips and attempts, in milliseconds.
    pub active_ms: i64,
    /// The learner's calendar day on which it began.
    pub local_date: NaiveDate,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it did.
    pub ended_at: Option<DateTime<Utc>>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// A clip of a lesson that was watched, over all of its viewings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumedClip {
    /// The clip.
    pub clip_id: ClipId,
    /// How often it was watched.
    pub viewings: u32,
    /// Time spent watching it, in milliseconds.
    pub watched_ms: u64,
    /// Segments played again.
    pub repeats: u64,
    /// Playback speed of the latest viewing in percent, 100 for normal.
    pub speed_percent: u16,
    /// Whether it was ever watched to its end.
    pub to_the_end: bool,
}

/// An attempt at a task of a lesson.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub attempt_id: AttemptId,
    /// The task.
    pub task_id: TaskId,
    /// How it was answered.
    pub kind: TaskKind,
    /// Which attempt at the task, from 1.
    pub ordinal: u32,
    /// The answer, encrypted under the learner's key.
    pub answer: Sealed,
    /// How many words it has.
    pub words: u32,
    /// How long the learner worked, in milliseconds, where measured.
    pub duration_ms: Option<u32>,
    /// How acceptable it is, 0 to 1, once evaluated.
    pub score: Option<f64>,
    /// Whether the score suffices, once evaluated.
    pub passed: Option<bool>,
    /// What the model found, once evaluated.
    pub verdict: Option<Verdict>,
    /// Why it waits for its verdict, while it does.
    pub deferred: Option<DeferralReason>,
    /// When it was made.
    pub submitted_at: DateTime<Utc>,
    /// Position of the event that ended its submission: its evaluation, or its deferral.
    pub position: i64,
}

/// An attempt with whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptOfLesson {
    /// Whose lesson.
    pub learner_id: UserId,
    /// Sequence of the lesson's stream: what If-Match names.
    pub version: i64,
    /// The attempt.
    pub attempt: Attempt,
}

/// A lesson in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LessonSummary {
    /// Its id.
    pub lesson_id: LessonId,
    /// Whose lesson.
    pub learner_id: UserId,
    /// The level that it was made for.
    pub level: Cefr,
    /// How far it is.
    pub state: LessonState,
    /// Clips of its plan.
    pub planned_clips: u32,
    /// Of them watched.
    pub consumed_clips: u32,
    /// Attempts made.
    pub attempts: u32,
    /// Mean of the best scores of the attempted tasks, 0 to 1, once completed.
    pub mean_score: Option<f64>,
    /// Time spent on clips and attempts, in milliseconds.
    pub active_ms: i64,
    /// The learner's calendar day on which it began.
    pub local_date: NaiveDate,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it did.
    pub ended_at: Option<DateTime<Utc>>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// A lesson by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, lesson: LessonId) -> Result<Option<Lesson>, sqlx::Error> {
    let sql = "SELECT to_jsonb(l)
               || jsonb_build_object('clips', coalesce((SELECT jsonb_agg(to_jsonb(c) ORDER BY c.clip_id)
                      FROM lesson_clips c WHERE c.lesson_id = l.lesson_id), '[]'))
               || jsonb_build_object('attempts', coalesce((SELECT jsonb_agg(to_jsonb(a) ORDER BY a.position)
                      FROM lesson_attempts a WHERE a.lesson_id = l.lesson_id), '[]'))
               FROM lessons l WHERE l.lesson_id = $1";
    row::find(db, sql, lesson.0).await
}

/// An attempt at a task of a lesson.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find_attempt(
    db: impl PgExecutor<'_>,
    lesson: LessonId,
    attempt: AttemptId,
) -> Result<Option<AttemptOfLesson>, sqlx::Error> {
    let sql = "SELECT jsonb_build_object('learner_id', l.learner_id, 'version', l.version, 'attempt', to_jsonb(a))
               FROM lesson_attempts a JOIN lessons l USING (lesson_id) WHERE a.lesson_id = $1 AND a.attempt_id = $2";
    let row: Option<Json<AttemptOfLesson>> =
        sqlx::query_scalar(sql).bind(lesson.0).bind(attempt.0).fetch_optional(db).await?;
    Ok(row.map(|Json(row)| row))
}

/// How many attempts wait for their verdict, and since when the oldest of them does.
///
/// # Errors
/// When the database cannot be reached.
pub async fn pending(db: impl PgExecutor<'_>) -> Result<(i64, Option<DateTime<Utc>>), sqlx::Error> {
    sqlx::query_as("SELECT count(*), min(submitted_at) FROM lesson_attempts WHERE deferred IS NOT NULL")
        .fetch_one(db)
        .await
}

/// The latest lessons of a learner, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, learner: UserId, limit: u32) -> Result<Vec<LessonSummary>, sqlx::Error> {
    let sql = "SELECT (to_jsonb(l) - 'plan')
               || jsonb_build_object('planned_clips', jsonb_array_length(l.plan -> 'clips'))
               || jsonb_build_object('consumed_clips',
                      (SELECT count(*) FROM lesson_clips c WHERE c.lesson_id = l.lesson_id))
               || jsonb_build_object('attempts',
                      (SELECT count(*) FROM lesson_attempts a WHERE a.lesson_id = l.lesson_id))
               FROM lessons l WHERE l.learner_id = $1 ORDER BY l.started_position DESC LIMIT $2";
    row::list(db, sql, learner.0, limit).await
}

/// Keeps `lessons`.
pub struct Lessons;

impl Projection for Lessons {
    fn name(&self) -> &'static str {
        "lessons"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["lessons", "lesson_clips", "lesson_attempts"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows {
                table: "lesson_clips",
                of: "lesson_id IN (SELECT lesson_id FROM lessons WHERE learner_id = $1)",
            },
            Personal::Rows {
                table: "lesson_attempts",
                of: "lesson_id IN (SELECT lesson_id FROM lessons WHERE learner_id = $1)",
            },
            Personal::Rows { table: "lessons", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == LessonAggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByAggregate
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Lesson(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    let mut worked_ms = 0;
    match change {
        Event::LessonStarted { learner_id, plan, local_date, .. } => {
            sqlx::query(
                "INSERT INTO lessons (lesson_id, learner_id, level, state, plan, active_ms, local_date, started_at,
                                      started_position, version, position)
                 VALUES ($1, $2, $3, 'in_progress', $4, 0, $5, $6, $8, $7, $8)",
            )
            .bind(id)
            .bind(learner_id.0)
            .bind(plan.level.to_string())
            .bind(Json(plan))
            .bind(local_date)
            .bind(event.recorded_at)
            .bind(event.sequence)
            .bind(event.position)
            .execute(db)
            .await?;
            return Ok(());
        }
        Event::ShortClipConsumed { watched_ms, .. } => {
            worked_ms = i64::from(*watched_ms);
            add_viewing(db, id, change).await?;
        }
        Event::AttemptSubmitted { attempt_id, task_id, kind, ordinal, answer, words, duration_ms, .. } => {
            worked_ms = i64::from(duration_ms.unwrap_or(0));
            sqlx::query(
                "INSERT INTO lesson_attempts (lesson_id, attempt_id, task_id, kind, ordinal, answer, words, duration_ms,
                                              submitted_at, position)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(id)
            .bind(attempt_id.0)
            .bind(task_id.as_str())
            .bind(kind.to_string())
            .bind(i64::from(*ordinal))
            .bind(Json(answer))
            .bind(i64::from(*words))
            .bind(duration_ms.map(i64::from))
            .bind(event.recorded_at)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
        }
        Event::EvaluationDeferred { attempt_id, reason, .. } => {
            sqlx::query(
                "UPDATE lesson_attempts SET deferred = $3, position = $4 WHERE lesson_id = $1 AND attempt_id = $2",
            )
            .bind(id)
            .bind(attempt_id.0)
            .bind(reason.to_string())
            .bind(event.position)
            .execute(&mut *db)
            .await?;
        }
        Event::EvaluationCompleted { attempt_id, verdict, passed, .. } => {
            // An attempt that waited stays where it is among the others.
            sqlx::query(
                "UPDATE lesson_attempts SET score = $3, passed = $4, verdict = $5, deferred = NULL,
                                            position = CASE WHEN deferred IS NULL THEN $6 ELSE position END
                 WHERE lesson_id = $1 AND attempt_id = $2",
            )
            .bind(id)
            .bind(attempt_id.0)
            .bind(verdict.score)
            .bind(passed)
            .bind(Json(verdict))
            .bind(event.position)
            .execute(&mut *db)
            .await?;
        }
        Event::LessonCompleted { mean_score, .. } => {
            sqlx::query("UPDATE lessons SET state = 'completed', mean_score = $2, ended_at = $3 WHERE lesson_id = $1")
                .bind(id)
                .bind(mean_score)
                .bind(event.recorded_at)
                .execute(&mut *db)
                .await?;
        }
        Event::LessonAbandoned { .. } => {
            sqlx::query("UPDATE lessons SET state = 'abandoned', ended_at = $2 WHERE lesson_id = $1")
                .bind(id)
                .bind(event.recorded_at)
                .execute(&mut *db)
                .await?;
        }
        // Whatever else happens moves the version on; a repeated segment is counted by its viewing.
        _ => {}
    }
    sqlx::query("UPDATE lessons SET active_ms = active_ms + $2, version = $3, position = $4 WHERE lesson_id = $1")
        .bind(id)
        .bind(worked_ms)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

async fn add_viewing(db: &mut PgConnection, lesson: Uuid, viewing: &Event) -> Result<(), sqlx::Error> {
    let Event::ShortClipConsumed { clip_id, watched_ms, speed_percent, repeats, to_the_end, .. } = viewing else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO lesson_clips AS c (lesson_id, clip_id, viewings, watched_ms, repeats, speed_percent,
                                        to_the_end)
         VALUES ($1, $2, 1, $3, $4, $5, $6)
         ON CONFLICT (lesson_id, clip_id) DO UPDATE
         SET viewings = c.viewings + 1, watched_ms = c.watched_ms + excluded.watched_ms,
             repeats = c.repeats + excluded.repeats, speed_percent = excluded.speed_percent,
             to_the_end = c.to_the_end OR excluded.to_the_end",
    )
    .bind(lesson)
    .bind(clip_id.as_str())
    .bind(i64::from(*watched_ms))
    .bind(i64::from(*repeats))
    .bind(i32::from(*speed_percent))
    .bind(to_the_end)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, date, in_a_world, plan, verdict};
    use baeum_domain::learning::lesson::Command;

    const LESSON: LessonId = LessonId(Uuid::from_u128(20));

    #[tokio::test]
    async fn a_lesson_shows_its_viewings_attempts_and_end() {
        in_a_world(async |world| {
            world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 21, 20_000, "2026-03-01").await;
            world.watch(20, 22, 60_000, "2026-03-01").await;
            world.attempt(20, 23, 0.4).await;
            let attempted = world.attempt(20, 24, 0.8).await;
            let completed = world.complete(20, "2026-03-01").await;
            world.project().await;
            let lesson = find(&world.pool, LESSON).await.expect("a database").expect("a lesson");
            assert_eq!((lesson.learner_id, lesson.level, lesson.plan), (LEARNER, Cefr::B2, plan()));
            assert_eq!((lesson.state, lesson.mean_score), (LessonState::Completed, Some(0.8)));
            assert_eq!((lesson.active_ms, lesson.local_date), (90_000, date("2026-03-01")));
            assert_eq!((lesson.version, lesson.position), (10, completed));
            let watched = ConsumedClip {
                clip_id: "cafe".parse().expect("a clip id"),
                viewings: 2,
                watched_ms: 80_000,
                repeats: 6,
                speed_percent: 100,
                to_the_end: true,
            };
            assert_eq!(lesson.clips, [watched]);
            let scores: Vec<_> = lesson.attempts.iter().map(|it| (it.ordinal, it.score, it.passed)).collect();
            assert_eq!(scores, [(1, Some(0.4), Some(false)), (2, Some(0.8), Some(true))]);
            let last = &lesson.attempts[1];
            assert_eq!((&last.verdict, last.words, last.position), (&Some(verdict(0.8)), 7, attempted));
            assert_eq!(last.answer.ciphertext, "dGV4dA==");
        })
        .await;
    }

    #[tokio::test]
    async fn an_attempt_that_waits_for_its_verdict_keeps_its_place_and_gets_it_once() {
        in_a_world(async |world| {
            world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 21, 60_000, "2026-03-01").await;
            let taken_in = world.defer(20, 22, DeferralReason::Late).await;
            world.attempt(20, 23, 0.8).await;
            world.project().await;
            let waiting = async || find(&world.pool, LESSON).await.expect("a database").expect("a lesson").attempts;
            let shown = |it: &Attempt| (it.attempt_id.0.as_u128(), it.score, it.deferred);
            let before: Vec<_> = waiting().await.iter().map(shown).collect();
            assert_eq!(before, [(22, None, Some(DeferralReason::Late)), (23, Some(0.8), None)]);
            let (count, since) = pending(&world.pool).await.expect("a database");
            assert!(count == 1 && since.is_some());
            world.evaluate(20, 22, 0.4).await;
            world.project().await;
            let after = waiting().await;
            assert_eq!(after.iter().map(shown).collect::<Vec<_>>(), [(22, Some(0.4), None), (23, Some(0.8), None)]);
            assert_eq!((after[0].position, after[0].passed), (taken_in, Some(false)));
            assert_eq!(pending(&world.pool).await.expect("a database"), (0, None));
            let found = find_attempt(&world.pool, LESSON, AttemptId(Uuid::from_u128(22))).await.expect("a database");
            let found = found.expect("an attempt");
            assert_eq!((found.learner_id, &found.attempt), (LEARNER, &after[0]));
            let none = find_attempt(&world.pool, LESSON, AttemptId(Uuid::from_u128(99))).await.expect("a database");
            assert_eq!(none, None);
        })
        .await;
    }

    #[tokio::test]
    async fn lessons_of_a_learner_are_listed_from_the_latest_on() {
        in_a_world(async |world| {
            for lesson in [20, 21, 22] {
                world.start_lesson(lesson, "2026-03-01").await;
            }
            world.watch(21, 1, 60_000, "2026-03-01").await;
            world.execute::<LessonAggregate>(Uuid::from_u128(22), Command::Abandon).await;
            world.project().await;
            let listed = list(&world.pool, LEARNER, 2).await.expect("a database");
            let ids: Vec<_> = listed.iter().map(|it| (it.lesson_id.0.as_u128(), it.state)).collect();
            assert_eq!(ids, [(22, LessonState::Abandoned), (21, LessonState::InProgress)]);
            assert_eq!((listed[1].planned_clips, listed[1].consumed_clips, listed[1].attempts), (1, 1, 0));
        })
        .await;
    }
}
