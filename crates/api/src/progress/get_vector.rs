//! `GET /v1/learners/{id}/vector`: what a learner is like, as numbers, and how that changes.

use axum::{Json, response::Response};
use baeum_domain::ids::UserId;
use baeum_projections::{
    history::Whose,
    identity::learners,
    progress::learner_vectors::{self, SKILLS},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::get_progress::SkillMastery;
use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, id::Id, min_position::Params, problem::Problem,
    tenants::TenantState,
};

/// What a learner is like, as numbers; empty before anything is known.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct VectorAnswer {
    learner_id: Uuid,
    /// By the latest level test, in logits; 0 before it.
    ability: Option<f64>,
    /// Mastery of each skill, 0 to 1; 0.5 before any evidence.
    mastery: Vec<SkillMastery>,
    /// What they watch and like, by topics; weights are 0 to 1 and add up to at most 1.
    taste: Vec<TopicWeight>,
    /// The end of each day that moved it, the oldest first, at most 365.
    days: Vec<VectorDay>,
    /// When it moved last.
    at: Option<DateTime<Utc>>,
    /// Position of the last event that moved it.
    position: i64,
}

/// The weight of a topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicWeight {
    topic: String,
    weight: f64,
}

/// The vector at the end of a day.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorDay {
    /// The day, in UTC.
    day: NaiveDate,
    ability: f64,
    mastery: Vec<SkillMastery>,
    taste: Vec<TopicWeight>,
    /// How far it is from the day before that moved it: a distance, 0 on the first.
    since_previous: f64,
    /// How far it is from the first day.
    since_first: f64,
}

fn mastery(of: Vec<f64>) -> Vec<SkillMastery> {
    SKILLS.into_iter().zip(of).map(|(skill, mastery)| SkillMastery { skill: skill.into(), mastery }).collect()
}

fn taste(topics: Vec<String>, weights: Vec<f64>) -> Vec<TopicWeight> {
    topics.into_iter().zip(weights).map(|(topic, weight)| TopicWeight { topic, weight }).collect()
}

/// What a learner is like, as numbers, and how far that moved from day to day: for themselves, analysts and administrators.
/// How they seem to feel is no part of it.
#[utoipa::path(
    get, path = "/v1/learners/{id}/vector", tag = "progress", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The vector", body = VectorAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn get_vector(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.may_read(&state, learner_id, "user-not-found").await?;
    let whose = Whose::Learner(learner_id);
    let mut models = when.open(&state, &signed_in, &["learner_vectors", "learners"], whose).await?;
    let row = learner_vectors::find(models.view().db(), learner_id).await?;
    let learner = if row.is_none() { learners::find(models.view().db(), learner_id).await? } else { None };
    let shown = models.close().await;
    let Some(row) = row else {
        learner.ok_or_else(|| Problem::plain("user-not-found"))?;
        return Ok(shown.answer(Json(VectorAnswer { learner_id: learner_id.0, ..VectorAnswer::default() })));
    };
    let days = row.days.into_iter().map(|it| VectorDay {
        day: it.day,
        ability: it.ability,
        mastery: mastery(it.mastery),
        taste: taste(it.topics, it.weights),
        since_previous: it.since_previous,
        since_first: it.since_first,
    });
    Ok(shown.answer(Json(VectorAnswer {
        learner_id: row.learner_id.0,
        ability: Some(row.ability),
        mastery: mastery(row.mastery),
        taste: taste(row.topics, row.weights),
        days: days.collect(),
        at: Some(row.at),
        position: row.position,
    })))
}
