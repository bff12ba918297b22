//! Sittings of the level test, with their answers.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::{
        assessment::{Assessment as Sitting, Event, StopReason, StoppingRule},
        testing::LevelReport,
    },
    ids::{AssessmentId, ItemId, UserId},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// How far a sitting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssessmentState {
    /// An item waits for its answer.
    InProgress,
    /// It ended with a level.
    Assessed,
    /// The learner left.
    Abandoned,
}

/// A sitting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Its id.
    pub assessment_id: AssessmentId,
    /// Who sits it.
    pub learner_id: UserId,
    /// How far it is.
    pub state: AssessmentState,
    /// When it ends.
    pub rule: StoppingRule,
    /// The item that waits for an answer, in a sitting in progress.
    pub current_item: Option<ItemId>,
    /// Place of that item in the sitting, from 1.
    pub current_ordinal: Option<u32>,
    /// Items answered.
    pub answered: u32,
    /// Ability after the latest answer, in logits; none before the first.
    pub theta: Option<f64>,
    /// Standard error of theta, in logits.
    pub standard_error: Option<f64>,
    /// Level, skills and weaknesses, once assessed.
    pub report: Option<LevelReport>,
    /// Why it ended with a level, once assessed.
    pub stop_reason: Option<StopReason>,
    /// The answers, in order.
    pub answers: Vec<Answer>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it did.
    pub ended_at: Option<DateTime<Utc>>,
    /// Sequence of its stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// An answer of a sitting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Place in the sitting, from 1.
    pub ordinal: u32,
    /// The item.
    pub item: ItemId,
    /// The choice taken, from 0.
    pub choice: u8,
    /// Whether it was right.
    pub correct: bool,
    /// How long it took in milliseconds, where measured.
    pub response_ms: Option<u32>,
    /// Ability after it, in logits.
    pub theta: f64,
    /// Standard error of that, in logits.
    pub standard_error: f64,
}

/// A sitting by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, assessment: AssessmentId) -> Result<Option<Assessment>, sqlx::Error> {
    let sql = "SELECT to_jsonb(a) || jsonb_build_object('answers', coalesce(
                   (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.ordinal) FROM assessment_answers b
                    WHERE b.assessment_id = a.assessment_id), '[]'))
               FROM assessments a WHERE a.assessment_id = $1";
    row::find(db, sql, assessment.0).await
}

/// Keeps `assessments`.
pub struct Assessments;

impl Projection for Assessments {
    fn name(&self) -> &'static str {
        "assessments"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["assessments", "assessment_answers"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows {
                table: "assessment_answers",
                of: "assessment_id IN (SELECT assessment_id FROM assessments WHERE learner_id = $1)",
            },
            Personal::Rows { table: "assessments", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Sitting::AGGREGATE
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
                AnyEvent::Assessment(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let id = aggregate_id(event)?;
    match change {
        Event::AssessmentStarted { learner_id, rule, .. } => {
            sqlx::query(
                "INSERT INTO assessments (assessment_id, learner_id, state, rule, answered, started_at, version,
                                          position)
                 VALUES ($1, $2, 'in_progress', $3, 0, $4, $5, $6)",
            )
            .bind(id)
            .bind(learner_id.0)
            .bind(Json(rule))
            .bind(event.recorded_at)
            .bind(event.sequence)
            .bind(event.position)
            .execute(db)
            .await?;
            return Ok(());
        }
        Event::ItemAdministered { ordinal, selection, .. } => {
            sqlx::query("UPDATE assessments SET current_item = $2, current_ordinal = $3 WHERE assessment_id = $1")
                .bind(id)
                .bind(selection.item.as_str())
                .bind(i64::from(*ordinal))
                .execute(&mut *db)
                .await?;
        }
        Event::ItemAnswered { item, ordinal, choice, correct, response_ms, after, .. } => {
            sqlx::query(
                "INSERT INTO assessment_answers (assessment_id, ordinal, item, choice, correct, response_ms, theta,
                                                 standard_error)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(i64::from(*ordinal))
            .bind(item.as_str())
            .bind(i32::from(*choice))
            .bind(correct)
            .bind(response_ms.map(i64::from))
            .bind(after.theta)
            .bind(after.standard_error)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "UPDATE assessments SET answered = $2, theta = $3, standard_error = $4, current_item = NULL,
                                        current_ordinal = NULL
                 WHERE assessment_id = $1",
            )
            .bind(id)
            .bind(i64::from(*ordinal))
            .bind(after.theta)
            .bind(after.standard_error)
            .execute(&mut *db)
            .await?;
        }
        Event::LevelAssessed { report, reason, .. } => {
            sqlx::query(
                "UPDATE assessments SET state = 'assessed', report = $2, stop_reason = $3 #>> '{}', ended_at = $4
                 WHERE assessment_id = $1",
            )
            .bind(id)
            .bind(Json(report))
            .bind(Json(reason))
            .bind(event.recorded_at)
            .execute(&mut *db)
            .await?;
        }
        Event::AssessmentAbandoned { .. } => {
            sqlx::query(
                "UPDATE assessments SET state = 'abandoned', ended_at = $2, current_item = NULL, current_ordinal = NULL
                 WHERE assessment_id = $1",
            )
            .bind(id)
            .bind(event.recorded_at)
            .execute(&mut *db)
            .await?;
        }
        // Whatever else happens moves the version on.
        _ => {}
    }
    sqlx::query("UPDATE assessments SET version = $2, position = $3 WHERE assessment_id = $1")
        .bind(id)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::assessment::assessment::Command;
    use uuid::Uuid;

    use super::*;
    use crate::testing::{LEARNER, in_a_world, report};

    const SITTING: AssessmentId = AssessmentId(Uuid::from_u128(10));

    #[tokio::test]
    async fn a_sitting_shows_the_item_that_waits_then_its_report() {
        in_a_world(async |world| {
            world.start_sitting(10, 2).await;
            let answered = world.answer(10, "one", true, "two").await;
            world.project().await;
            let sitting = find(&world.pool, SITTING).await.expect("a database").expect("a sitting");
            assert_eq!((sitting.learner_id, sitting.state), (LEARNER, AssessmentState::InProgress));
            assert_eq!(sitting.current_item, Some("two".parse().expect("an item id")));
            assert_eq!((sitting.current_ordinal, sitting.answered, sitting.theta), (Some(2), 1, Some(0.7)));
            assert_eq!((sitting.version, sitting.position), (4, answered));

            let assessed = world.answer(10, "two", false, "one").await;
            world.project().await;
            let sitting = find(&world.pool, SITTING).await.expect("a database").expect("a sitting");
            assert_eq!((sitting.state, sitting.current_item), (AssessmentState::Assessed, None));
            assert_eq!((sitting.report, sitting.stop_reason), (Some(report()), Some(StopReason::Length)));
            let answers: Vec<_> = sitting.answers.iter().map(|it| (it.ordinal, it.correct, it.choice)).collect();
            assert_eq!(answers, [(1, true, 0), (2, false, 1)]);
            assert_eq!((sitting.version, sitting.position), (6, assessed));
            assert!(sitting.ended_at.is_some());
        })
        .await;
    }

    #[tokio::test]
    async fn a_sitting_that_was_left_asks_nothing_more() {
        in_a_world(async |world| {
            world.start_sitting(10, 2).await;
            world.execute::<Sitting>(SITTING.0, Command::Abandon).await;
            world.project().await;
            let sitting = find(&world.pool, SITTING).await.expect("a database").expect("a sitting");
            assert_eq!((sitting.state, sitting.current_item), (AssessmentState::Abandoned, None));
            assert_eq!((sitting.theta, sitting.report), (None, None));
        })
        .await;
    }
}
