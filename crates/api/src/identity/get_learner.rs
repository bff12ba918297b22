//! `GET /v1/learners/{id}`: a profile with the level.

use axum::response::Response;
use baeum_domain::{
    identity::{access::Category, user::Role},
    ids::UserId,
};
use baeum_projections::{history::Whose, identity::learners};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Consent, ProfileAnswer};
use crate::{
    as_of::When,
    caller::SignedIn,
    conditional::versioned,
    docs::QueryProblems,
    id::Id,
    layers::RequestId,
    min_position::Params,
    problem::Problem,
    tenants::TenantState,
    wire::{Level, texts},
};

/// This route, as accesses are noted by it.
const ROUTE: &str = "GET /v1/learners/{id}";

/// A learner.
#[derive(Serialize, ToSchema)]
pub(crate) struct LearnerAnswer {
    #[serde(flatten)]
    profile: ProfileAnswer,
    /// What they want to be called; for themselves and administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Their address; for themselves and administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The level of the latest test.
    level: Option<AssessedLevel>,
    /// When they registered.
    registered_at: DateTime<Utc>,
}

/// A level with its uncertainty.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssessedLevel {
    /// The band.
    band: Level,
    /// Ability in logits.
    theta: f64,
    /// Its standard error.
    standard_error: f64,
    /// When it was assessed.
    assessed_at: DateTime<Utc>,
}

/// A learner's profile and level.
#[utoipa::path(
    get, path = "/v1/learners/{id}", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), When),
    responses(
        (status = 200, description = "The learner", body = LearnerAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_learner(
    state: TenantState,
    signed_in: SignedIn,
    Id(user_id): Id<UserId>,
    request: RequestId,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.may_read_progress(&state, user_id).await?;
    let mut models = when.open(&state, &signed_in, &["learners"], Whose::Learner(user_id)).await?;
    let row = learners::find(models.view().db(), user_id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("user-not-found"))?;
    let personal = signed_in.is(user_id) || signed_in.caller.has_any(&[Role::Admin]);
    let named = if personal {
        let what = [Category::Name, Category::Email];
        state.commands().record_access_of(&signed_in.caller, user_id, what, ROUTE, request.0).await?;
        state.commands().identity_of(&state.tenant, user_id).await.map_err(|error| Problem::refusal(&error))?
    } else {
        None
    };
    let (display_name, email) = named.map(|it| (it.display_name, it.email)).unzip();
    let level = row.level.zip(row.theta).zip(row.standard_error).zip(row.assessed_at);
    let level = level.map(|(((band, theta), standard_error), assessed_at)| AssessedLevel {
        band: band.into(),
        theta,
        standard_error,
        assessed_at,
    });
    let profile = ProfileAnswer {
        user_id: row.user_id.0,
        roles: row.roles.into_iter().map(Into::into).collect(),
        native_language: row.native_language.into(),
        target_language: row.target_language.into(),
        country: row.country.into(),
        time_zone: row.time_zone.into(),
        interests: texts(row.interests),
        daily_goal_minutes: row.daily_minutes,
        emotion_care_consent: row.emotion_care_policy.map(|policy_version| Consent { policy_version }),
    };
    let registered_at = row.registered_at;
    Ok(shown.answer(versioned(row.version, LearnerAnswer { profile, display_name, email, level, registered_at })))
}
