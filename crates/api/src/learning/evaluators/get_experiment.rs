//! `GET /v1/evaluators/experiments/{id}`: what came of an experiment.

use axum::Json;
use baeum_domain::{
    identity::user::Role,
    ids::ExperimentId,
    learning::comparison::{self, Sample},
};
use baeum_projections::learning::evaluator_experiments::{self, ArmResult, Comparison, Report};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{Arm, ExperimentOutcome};
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Who may look.
const READERS: &[Role] = &[Role::Admin, Role::Analyst];
/// What stands for an experiment that names no better arm.
const UNDECIDED: &str = "undecided";

/// An experiment with what came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExperimentReport {
    experiment_id: Uuid,
    /// What it is decided by.
    outcome: ExperimentOutcome,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it was stopped; none while it runs.
    stopped_at: Option<DateTime<Utc>>,
    /// The better arm by what it is decided by, or `undecided`.
    better: String,
    /// The arms, in their order.
    arms: Vec<ArmReport>,
    /// How they differ: what it is decided by comes first.
    comparisons: Vec<OutcomeComparison>,
    /// With which probability all intervals of one outcome hold, if they are looked at once.
    confidence: f64,
}

/// An arm with what its learners did.
#[derive(Serialize, ToSchema)]
pub(crate) struct ArmReport {
    arm: Arm,
    /// Learners with an attempt.
    learners: i64,
    /// Their attempts.
    attempts: i64,
    /// Attempts that were taken in without a verdict at first.
    deferred: i64,
    /// Attempts that the arm's model has evaluated.
    evaluated: i64,
    /// Of them passed.
    passed: i64,
    /// Mean score of them, 0 to 1.
    mean_score: Option<f64>,
    /// Mean time that the model took, in microseconds.
    mean_latency_us: Option<f64>,
    /// Evaluations of which the learner disputes something.
    disputed: i64,
    /// All that they dispute.
    disputes: i64,
    /// Lessons with an attempt.
    lessons: i64,
    /// Of them completed.
    lessons_completed: i64,
    /// The share of disputed evaluations, by learner.
    dispute_rate: Rate,
    /// The share of completed lessons, by learner.
    completion_rate: Rate,
}

/// A rate of each learner, over learners.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rate {
    /// Learners who have one.
    learners: u32,
    /// Its mean, 0 to 1.
    mean: f64,
    /// Its variance.
    variance: f64,
}

/// How the arms differ in an outcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutcomeComparison {
    outcome: ExperimentOutcome,
    /// The better arm, or `undecided`.
    better: String,
    /// Every arm but the first, against the first.
    differences: Vec<ArmDifference>,
}

/// The rate of an arm less that of the first, with an interval.
#[derive(Serialize, ToSchema)]
pub(crate) struct ArmDifference {
    /// The arm.
    arm: String,
    /// None while too few learners differ for anything to be said.
    difference: Option<f64>,
    /// Where the interval begins.
    lower: Option<f64>,
    /// Where it ends.
    upper: Option<f64>,
}

impl From<Sample> for Rate {
    fn from(Sample { learners, mean, variance }: Sample) -> Self {
        Self { learners, mean, variance }
    }
}

impl From<ArmResult> for ArmReport {
    fn from(ArmResult { arm, sums, disputes, completion }: ArmResult) -> Self {
        Self {
            arm: arm.into(),
            learners: sums.learners,
            attempts: sums.attempts,
            deferred: sums.deferred,
            evaluated: sums.evaluated,
            passed: sums.passed,
            mean_score: sums.mean_score,
            mean_latency_us: sums.mean_latency_us,
            disputed: sums.disputed,
            disputes: sums.disputes,
            lessons: sums.lessons,
            lessons_completed: sums.completed,
            dispute_rate: disputes.into(),
            completion_rate: completion.into(),
        }
    }
}

impl From<Comparison> for OutcomeComparison {
    fn from(Comparison { outcome, differences, better }: Comparison) -> Self {
        let differences = differences.into_iter().map(|(arm, found)| ArmDifference {
            arm,
            difference: found.map(|it| it.difference),
            lower: found.map(|it| it.lower),
            upper: found.map(|it| it.upper),
        });
        let better = better.unwrap_or_else(|| UNDECIDED.to_owned());
        Self { outcome: outcome.into(), better, differences: differences.collect() }
    }
}

impl From<Report> for ExperimentReport {
    fn from(Report { experiment, arms, comparisons }: Report) -> Self {
        let comparisons: Vec<OutcomeComparison> = comparisons.into_iter().map(Into::into).collect();
        Self {
            experiment_id: experiment.experiment_id.0,
            outcome: experiment.outcome.into(),
            started_at: experiment.started_at,
            stopped_at: experiment.stopped_at,
            better: comparisons.first().map_or_else(|| UNDECIDED.to_owned(), |it| it.better.clone()),
            arms: arms.into_iter().map(Into::into).collect(),
            comparisons,
            confidence: comparison::CONFIDENCE,
        }
    }
}

/// What the learners of each arm of an experiment did, and how the arms differ: for administrators and analysts. The
/// interval is Welch's, over learners (docs/models.md).
#[utoipa::path(
    get, path = "/v1/evaluators/experiments/{id}", tag = "evaluators", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), MinPosition),
    responses((status = 200, description = "What came of it", body = ExperimentReport), QueryProblems)
)]
pub(crate) async fn get_experiment(
    state: TenantState,
    signed_in: SignedIn,
    Id(experiment): Id<ExperimentId>,
    Params(min_position): Params<MinPosition>,
) -> Result<Json<ExperimentReport>, Problem> {
    signed_in.must_have(READERS)?;
    min_position.wait(&state, &signed_in, evaluator_experiments::NAME).await?;
    let mut db = state.log().pool().acquire().await?;
    let found = evaluator_experiments::find(&mut db, &state.tenant, experiment).await?;
    found.map(|it| Json(it.into())).ok_or_else(|| Problem::plain("experiment-not-found"))
}
