//! `GET /v1/learners/{id}/progress`: mastery, levels, streak, and the work of each day.

use axum::{Json, response::Response};
use baeum_domain::ids::UserId;
use baeum_projections::{history::Whose, identity::learners, progress::progress};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    as_of::When,
    caller::SignedIn,
    docs::QueryProblems,
    id::Id,
    min_position::Params,
    problem::Problem,
    tenants::TenantState,
    wire::{Level, Skill},
};

/// How a learner gets on.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ProgressAnswer {
    learner_id: Uuid,
    /// The probability of doing well in each skill that there is evidence of.
    mastery: Vec<SkillMastery>,
    streak: Streak,
    /// Time spent on clips and attempts, in milliseconds.
    active_ms: i64,
    /// Clips watched, each viewing counted.
    clips: i64,
    /// Attempts made.
    attempts: i64,
    lessons_started: i64,
    lessons_completed: i64,
    /// Mean score of all evaluated attempts, 0 to 1.
    mean_score: Option<f64>,
    /// Level tests, the oldest first, the latest 100.
    levels: Vec<LevelPoint>,
    /// Days with activity, the oldest first, the latest 365.
    days: Vec<Day>,
    /// Changes of mastery for a chart, the oldest first, the latest 500.
    history: Vec<MasteryPoint>,
    /// Position of the last event that changed any of this; 0 before the first.
    position: i64,
}

/// Mastery of a skill.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkillMastery {
    pub(super) skill: Skill,
    /// Between 0 and 1.
    pub(super) mastery: f64,
}

/// Days in a row.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Streak {
    /// Up to today; a day without activity that is over ends them.
    current: u32,
    /// The most that there ever were.
    longest: u32,
    /// The latest day with activity.
    last_active_on: Option<NaiveDate>,
}

/// The outcome of a level test.
#[derive(Serialize, ToSchema)]
pub(crate) struct LevelPoint {
    assessment_id: Uuid,
    at: DateTime<Utc>,
    band: Level,
    /// Ability in logits.
    theta: f64,
    standard_error: f64,
}

/// The work of one calendar day of the learner's.
#[derive(Serialize, ToSchema)]
pub(crate) struct Day {
    date: NaiveDate,
    /// Time spent, in milliseconds.
    active_ms: i64,
    clips: i64,
    attempts: i64,
    /// Lessons completed.
    lessons: i64,
}

/// Mastery of a skill after a piece of evidence.
#[derive(Serialize, ToSchema)]
pub(crate) struct MasteryPoint {
    at: DateTime<Utc>,
    skill: Skill,
    mastery: f64,
    /// Position of the event.
    position: i64,
}

/// A learner's progress: for themselves, instructors, analysts and administrators.
#[utoipa::path(
    get, path = "/v1/learners/{id}/progress", tag = "progress", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The progress", body = ProgressAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn get_progress(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.may_read_progress(&state, learner_id).await?;
    let mut models = when.open(&state, &signed_in, &["progress", "learners"], Whose::Learner(learner_id)).await?;
    let learner = learners::find(models.view().db(), learner_id).await?;
    let row = progress::find(models.view().db(), learner_id).await?;
    let shown = models.close().await;
    let Some(row) = row else {
        learner.ok_or_else(|| Problem::plain("user-not-found"))?;
        return Ok(shown.answer(Json(ProgressAnswer { learner_id: learner_id.0, ..ProgressAnswer::default() })));
    };
    let now = shown.now(state.clock());
    let today = learner.map_or_else(|| now.date_naive(), |it| it.time_zone.local_date(now));
    let mastery = row.mastery.into_iter().map(|(skill, mastery)| SkillMastery { skill: skill.into(), mastery });
    let levels = row.levels.into_iter().map(|it| LevelPoint {
        assessment_id: it.assessment_id.0,
        at: it.at,
        band: it.band.into(),
        theta: it.theta,
        standard_error: it.standard_error,
    });
    let days = row.days.into_iter().map(|it| Day {
        date: it.date,
        active_ms: it.active_ms,
        clips: it.clips,
        attempts: it.attempts,
        lessons: it.lessons,
    });
    let history = row.history.into_iter().map(|it| MasteryPoint {
        at: it.at,
        skill: it.skill.into(),
        mastery: it.mastery,
        position: it.position,
    });
    Ok(shown.answer(Json(ProgressAnswer {
        learner_id: row.learner_id.0,
        mastery: mastery.collect(),
        streak: Streak {
            current: row.streak.on(today),
            longest: row.streak.longest,
            last_active_on: row.streak.last_active_on,
        },
        active_ms: row.active_ms,
        clips: row.clips,
        attempts: row.attempts,
        lessons_started: row.lessons_started,
        lessons_completed: row.lessons_completed,
        mean_score: row.mean_score,
        levels: levels.collect(),
        days: days.collect(),
        history: history.collect(),
        position: row.position,
    })))
}
