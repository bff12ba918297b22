//! Experiments with evaluators: what the learners of each arm did, and how the arms differ; and how far a model in the
//! shadow agrees with what was shown.
//!
//! Rows are attempts and lessons, so that an event that comes late or is taken back changes one row; sums are made by the
//! question. An attempt counts for an arm only once that arm's model has evaluated it (as treated). A lesson counts from
//! the first attempt in it that is assigned to an arm: up to there the arms had no way to differ.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::subject::LEARNER_FIELD,
    ids::{AttemptId, ExperimentId, LessonId, UserId},
    learning::{
        comparison::{self, Difference, Sample},
        evaluation::{Assignment, ModelRef, Verdict},
        evaluator_deployment::{self, Arm, EvaluatorDeployment, ExperimentOutcome},
        lesson::{Event, Lesson as LessonAggregate},
        shadow_evaluation::{self, ShadowEvaluation},
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, row};

/// An experiment as it was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// Whose.
    pub tenant: String,
    /// What it is decided by.
    pub outcome: ExperimentOutcome,
    /// What is compared; the first is what the others are compared with.
    pub arms: Vec<Arm>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was stopped, if it was.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// What came of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmResult {
    /// The arm.
    pub arm: Arm,
    /// Sums over its learners.
    pub sums: Sums,
    /// The rates of disputed evaluations, by learner.
    pub disputes: Sample,
    /// The rates of completed lessons, by learner.
    pub completion: Sample,
}

/// Sums over the learners of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromRow)]
pub struct Sums {
    /// Learners with an attempt.
    pub learners: i64,
    /// Their attempts.
    pub attempts: i64,
    /// Attempts that were taken in without a verdict at first.
    pub deferred: i64,
    /// Attempts that the arm's model has evaluated.
    pub evaluated: i64,
    /// Of them passed.
    pub passed: i64,
    /// Mean score of them, 0 to 1.
    pub mean_score: Option<f64>,
    /// Mean time that the model took, in microseconds.
    pub mean_latency_us: Option<f64>,
    /// Evaluations of which the learner disputes something.
    pub disputed: i64,
    /// All that they dispute.
    pub disputes: i64,
    /// Lessons with an attempt.
    pub lessons: i64,
    /// Of them completed.
    pub completed: i64,
}

/// How the arms differ in one outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The outcome.
    pub outcome: ExperimentOutcome,
    /// Each arm but the first against the first, by its name; `None` while nothing can be said.
    pub differences: Vec<(String, Option<Difference>)>,
    /// The better arm; `None` while undecided.
    pub better: Option<String>,
}

/// An experiment with what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The experiment.
    pub experiment: Experiment,
    /// Its arms, in their order.
    pub arms: Vec<ArmResult>,
    /// What it is decided by comes first.
    pub comparisons: Vec<Comparison>,
}

/// How far a model in the shadow agrees with a model that was shown.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Agreement {
    /// The model that was shown.
    pub shown_model_id: String,
    /// Its weights.
    pub shown_weights_hash: String,
    /// Attempts that both evaluated.
    pub attempts: i64,
    /// Mean absolute difference of their scores.
    pub mean_difference: f64,
    /// Share of the attempts that both pass or both do not, 0 to 1.
    pub equal_pass: f64,
}

/// An experiment of a tenant with what came of it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(
    db: &mut PgConnection,
    tenant: &str,
    experiment: ExperimentId,
) -> Result<Option<Report>, sqlx::Error> {
    let sql = "SELECT to_jsonb(e) FROM evaluator_experiments e WHERE e.experiment_id = $1";
    let found: Option<Experiment> = row::find(&mut *db, sql, experiment.0).await?;
    let Some(experiment) = found.filter(|it| it.tenant == tenant) else { return Ok(None) };
    let mut rows = results(db, experiment.experiment_id).await?;
    let none = Sample { learners: 0, mean: 0.0, variance: 0.0 };
    let of = |arm: &Arm| match rows.remove(&arm.name) {
        Some(row) => {
            ArmResult { arm: arm.clone(), disputes: row.disputes(), completion: row.completion(), sums: row.sums }
        }
        None => ArmResult { arm: arm.clone(), sums: Sums::default(), disputes: none, completion: none },
    };
    let arms: Vec<_> = experiment.arms.iter().map(of).collect();
    let (first, other) = match experiment.outcome {
        ExperimentOutcome::Disputes => (ExperimentOutcome::Disputes, ExperimentOutcome::LessonCompletion),
        ExperimentOutcome::LessonCompletion => (ExperimentOutcome::LessonCompletion, ExperimentOutcome::Disputes),
    };
    let comparisons = [first, other].map(|outcome| compare(&arms, outcome)).into();
    Ok(Some(Report { experiment, arms, comparisons }))
}

/// The experiments of a tenant, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: impl PgExecutor<'_>, tenant: &str, limit: u32) -> Result<Vec<Experiment>, sqlx::Error> {
    let sql = "SELECT to_jsonb(e) FROM evaluator_experiments e
               WHERE e.tenant = $1 ORDER BY e.started_at DESC, e.experiment_id LIMIT $2";
    let rows: Vec<Json<Experiment>> = sqlx::query_scalar(sql).bind(tenant).bind(i64::from(limit)).fetch_all(db).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// How far a model in the shadow agrees with those that were shown, by their names.
///
/// # Errors
/// When the database cannot be reached.
pub async fn agreement(db: impl PgExecutor<'_>, tenant: &str, model: &ModelRef) -> Result<Vec<Agreement>, sqlx::Error> {
    let sql = "SELECT shown_model_id, shown_weights_hash, count(*) AS attempts,
                      avg(abs(score - shown_score) ORDER BY attempt_id) AS mean_difference,
                      avg((passed = shown_passed)::int)::float8 AS equal_pass
               FROM evaluator_shadow_scores WHERE tenant = $1 AND model_id = $2 AND weights_hash = $3
               GROUP BY shown_model_id, shown_weights_hash ORDER BY shown_model_id, shown_weights_hash";
    sqlx::query_as(sql).bind(tenant).bind(&model.model_id).bind(&model.weights_hash).fetch_all(db).await
}

#[derive(FromRow)]
struct ResultRow {
    arm: String,
    #[sqlx(flatten)]
    sums: Sums,
    dispute_learners: i64,
    dispute_mean: Option<f64>,
    dispute_variance: Option<f64>,
    lesson_learners: i64,
    lesson_mean: Option<f64>,
    lesson_variance: Option<f64>,
}

impl ResultRow {
    fn disputes(&self) -> Sample {
        sample(self.dispute_learners, self.dispute_mean, self.dispute_variance)
    }

    fn completion(&self) -> Sample {
        sample(self.lesson_learners, self.lesson_mean, self.lesson_variance)
    }
}

fn sample(learners: i64, mean: Option<f64>, variance: Option<f64>) -> Sample {
    let learners = u32::try_from(learners).unwrap_or(u32::MAX);
    Sample { learners, mean: mean.unwrap_or(0.0), variance: variance.unwrap_or(0.0) }
}

/// Sums and rates by arm. Learners are summed up in the order of their ids, so that floating-point sums come out the same.
async fn results(db: &mut PgConnection, experiment: ExperimentId) -> Result<BTreeMap<String, ResultRow>, sqlx::Error> {
    let sql = "
        WITH attempts AS (
            SELECT arm, learner_id, count(*) AS attempts, count(*) FILTER (WHERE deferred) AS deferred,
                   count(score) AS evaluated, count(*) FILTER (WHERE passed) AS passed,
                   sum(score ORDER BY attempt_id) AS score, sum(latency_us)::bigint AS latency_us,
                   count(*) FILTER (WHERE disputes > 0) AS disputed, sum(disputes)::bigint AS disputes
            FROM evaluator_experiment_attempts WHERE experiment_id = $1 GROUP BY arm, learner_id
        ), attempted AS (
            SELECT arm, count(*) AS learners, sum(attempts)::bigint AS attempts, sum(deferred)::bigint AS deferred,
                   sum(evaluated)::bigint AS evaluated, sum(passed)::bigint AS passed,
                   sum(score ORDER BY learner_id) / nullif(sum(evaluated), 0)::float8 AS mean_score,
                   sum(latency_us)::float8 / nullif(sum(evaluated), 0)::float8 AS mean_latency_us,
                   sum(disputed)::bigint AS disputed, sum(disputes)::bigint AS disputes,
                   count(*) FILTER (WHERE evaluated > 0) AS dispute_learners,
                   avg(disputed::float8 / nullif(evaluated, 0) ORDER BY learner_id) AS dispute_mean,
                   var_samp(disputed::float8 / nullif(evaluated, 0) ORDER BY learner_id) AS dispute_variance
            FROM attempts GROUP BY arm
        ), lessons AS (
            SELECT arm, learner_id, count(*) AS lessons, count(*) FILTER (WHERE state = 'completed') AS completed
            FROM evaluator_experiment_lessons WHERE experiment_id = $1 GROUP BY arm, learner_id
        ), taken AS (
            SELECT arm, count(*) AS lesson_learners, sum(lessons)::bigint AS lessons,
                   sum(completed)::bigint AS completed,
                   avg(completed::float8 / lessons ORDER BY learner_id) AS lesson_mean,
                   var_samp(completed::float8 / lessons ORDER BY learner_id) AS lesson_variance
            FROM lessons GROUP BY arm
        )
        SELECT a.*, coalesce(t.lesson_learners, 0) AS lesson_learners, coalesce(t.lessons, 0) AS lessons,
               coalesce(t.completed, 0) AS completed, t.lesson_mean, t.lesson_variance
        FROM attempted a LEFT JOIN taken t USING (arm)";
    let rows: Vec<ResultRow> = sqlx::query_as(sql).bind(experiment.0).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.arm.clone(), row)).collect())
}

fn compare(arms: &[ArmResult], outcome: ExperimentOutcome) -> Comparison {
    let of = |arm: &ArmResult| match outcome {
        ExperimentOutcome::Disputes => arm.disputes,
        ExperimentOutcome::LessonCompletion => arm.completion,
    };
    let Some((first, others)) = arms.split_first() else {
        return Comparison { outcome, differences: vec![], better: None };
    };
    let comparisons = u32::try_from(others.len()).unwrap_or(u32::MAX);
    let found: Vec<_> = others.iter().map(|arm| comparison::difference(of(first), of(arm), comparisons)).collect();
    let better = comparison::better(&found, outcome == ExperimentOutcome::Disputes);
    Comparison {
        outcome,
        differences: others.iter().map(|it| it.arm.name.clone()).zip(found).collect(),
        better: better.map(|at| arms[at].arm.name.clone()),
    }
}

/// Keeps `evaluator_experiments`.
pub struct EvaluatorExperiments;

/// Its name.
pub const NAME: &str = "evaluator_experiments";

impl Projection for EvaluatorExperiments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        &[
            "evaluator_experiments",
            "evaluator_experiment_attempts",
            "evaluator_experiment_lessons",
            "evaluator_shadow_scores",
        ]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "evaluator_experiment_attempts", of: "learner_id = $1" },
            Personal::Rows { table: "evaluator_experiment_lessons", of: "learner_id = $1" },
            Personal::Rows { table: "evaluator_shadow_scores", of: "learner_id = $1" },
            Personal::OfNobody { table: "evaluator_experiments" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        [LessonAggregate::AGGREGATE, EvaluatorDeployment::AGGREGATE, ShadowEvaluation::AGGREGATE]
            .contains(&aggregate_type)
    }

    fn order(&self) -> Order {
        Order::ByField(LEARNER_FIELD)
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Lesson(change) => apply(db, event, change).await?,
                AnyEvent::EvaluatorDeployment(change) => experiment(db, event, change).await?,
                AnyEvent::ShadowEvaluation(change) => shadow(db, event, change).await?,
                _ => {}
            }
            Ok(())
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), sqlx::Error> {
    match change {
        Event::EvaluationDeferred { lesson_id, learner_id, attempt_id, assignment: Some(assignment), .. } => {
            let assigned = Assigned { lesson: *lesson_id, learner: *learner_id, attempt: *attempt_id, assignment };
            assigned.write(db, event.position, None).await
        }
        Event::EvaluationCompleted {
            lesson_id,
            learner_id,
            attempt_id,
            verdict,
            passed,
            assignment: Some(assignment),
            ..
        } => {
            let assigned = Assigned { lesson: *lesson_id, learner: *learner_id, attempt: *attempt_id, assignment };
            assigned.write(db, event.position, Some((verdict, *passed))).await
        }
        Event::EvaluationDisputed { attempt_id, .. } => {
            // Of a verdict that another model gave in place of the arm's, nothing is known here.
            sqlx::query(
                "UPDATE evaluator_experiment_attempts SET disputes = disputes + 1, position = $2
                 WHERE attempt_id = $1 AND score IS NOT NULL",
            )
            .bind(attempt_id.0)
            .bind(event.position)
            .execute(db)
            .await?;
            Ok(())
        }
        Event::LessonCompleted { lesson_id, .. } => end(db, event, *lesson_id, "completed").await,
        Event::LessonAbandoned { lesson_id, .. } => end(db, event, *lesson_id, "abandoned").await,
        _ => Ok(()),
    }
}

async fn end(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    lesson: LessonId,
    state: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE evaluator_experiment_lessons SET state = $2, position = $3 WHERE lesson_id = $1")
        .bind(lesson.0)
        .bind(state)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

/// An attempt that is assigned to an arm.
struct Assigned<'a> {
    lesson: LessonId,
    learner: UserId,
    attempt: AttemptId,
    assignment: &'a Assignment,
}

impl Assigned<'_> {
    async fn write(
        &self,
        db: &mut PgConnection,
        position: i64,
        verdict: Option<(&Verdict, bool)>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO evaluator_experiment_lessons (lesson_id, experiment_id, arm, learner_id, state, position)
             VALUES ($1, $2, $3, $4, 'in_progress', $5) ON CONFLICT (lesson_id, experiment_id) DO NOTHING",
        )
        .bind(self.lesson.0)
        .bind(self.assignment.experiment_id.0)
        .bind(&self.assignment.arm)
        .bind(self.learner.0)
        .bind(position)
        .execute(&mut *db)
        .await?;
        sqlx::query(
            "INSERT INTO evaluator_experiment_attempts (attempt_id, experiment_id, arm, lesson_id, learner_id, deferred,
                                                        score, passed, latency_us, disputes, position)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)
             ON CONFLICT (attempt_id) DO UPDATE
             SET experiment_id = excluded.experiment_id, arm = excluded.arm, score = excluded.score,
                 passed = excluded.passed, latency_us = excluded.latency_us, position = excluded.position",
        )
        .bind(self.attempt.0)
        .bind(self.assignment.experiment_id.0)
        .bind(&self.assignment.arm)
        .bind(self.lesson.0)
        .bind(self.learner.0)
        .bind(verdict.is_none())
        .bind(verdict.map(|(verdict, _)| verdict.score))
        .bind(verdict.map(|(_, passed)| passed))
        .bind(verdict.map(|(verdict, _)| i64::from(verdict.latency_us)))
        .bind(position)
        .execute(db)
        .await?;
        Ok(())
    }
}

async fn experiment(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &evaluator_deployment::Event,
) -> Result<(), sqlx::Error> {
    let statement = match change {
        evaluator_deployment::Event::ExperimentStarted { skill, experiment_id, arms, outcome } => sqlx::query(
            "INSERT INTO evaluator_experiments (experiment_id, tenant, skill, outcome, arms, started_at, position)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(experiment_id.0)
        .bind(&event.tenant)
        .bind(skill.to_string())
        .bind(outcome.to_string())
        .bind(Json(arms))
        .bind(event.recorded_at)
        .bind(event.position),
        evaluator_deployment::Event::ExperimentStopped { experiment_id, .. } => {
            sqlx::query("UPDATE evaluator_experiments SET stopped_at = $2, position = $3 WHERE experiment_id = $1")
                .bind(experiment_id.0)
                .bind(event.recorded_at)
                .bind(event.position)
        }
        _ => return Ok(()),
    };
    statement.execute(db).await?;
    Ok(())
}

async fn shadow(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &shadow_evaluation::Event,
) -> Result<(), sqlx::Error> {
    let shadow_evaluation::Event::ShadowEvaluated { learner_id, attempt_id, verdict, passed, shown, .. } = change
    else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO evaluator_shadow_scores (attempt_id, model_id, weights_hash, tenant, learner_id, score, passed,
                                              shown_model_id, shown_weights_hash, shown_score, shown_passed, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(attempt_id.0)
    .bind(&verdict.model_id)
    .bind(&verdict.weights_hash)
    .bind(&event.tenant)
    .bind(learner_id.0)
    .bind(verdict.score)
    .bind(passed)
    .bind(&shown.model.model_id)
    .bind(&shown.model.weights_hash)
    .bind(shown.score)
    .bind(shown.passed)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
