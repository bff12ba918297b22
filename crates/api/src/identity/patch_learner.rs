//! `PATCH /v1/learners/{id}`: changing a profile.

use std::collections::BTreeSet;

use axum::response::Response;
use baeum_commands::identity::change_profile::ProfileChange;
use baeum_domain::{
    identity::locale::{Country, Language, TimeZone},
    ids::{Topic, UserId},
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::wire::ProfileAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// What is to change; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LearnerChange {
    /// What to be called, 1 to 80 characters.
    display_name: Option<String>,
    /// Language of explanations (ISO 639-1).
    #[schema(value_type = Option<String>)]
    native_language: Option<Language>,
    /// Language to learn (ISO 639-1).
    #[schema(value_type = Option<String>)]
    target_language: Option<Language>,
    /// Where titles must be available (ISO 3166-1 alpha-2).
    #[schema(value_type = Option<String>)]
    country: Option<Country>,
    /// Decides which day an activity counts for (IANA).
    #[schema(value_type = Option<String>)]
    time_zone: Option<TimeZone>,
    /// Topics to learn with, at most 10: all of them, as they are to be.
    #[schema(value_type = Option<Vec<String>>)]
    interests: Option<BTreeSet<Topic>>,
    /// Minutes of learning a day, 5 to 240.
    #[schema(minimum = 5, maximum = 240)]
    daily_goal_minutes: Option<u16>,
    /// Gives the consent to emotion care; `null` withdraws it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ConsentChange>)]
    emotion_care_consent: Option<Option<ConsentChange>>,
}

/// A consent to emotion care.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentChange {
    /// The version of the policy that was shown.
    #[schema(example = "2026-01", max_length = 40)]
    policy_version: String,
}

/// Tells `null` from a field that is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Changes a learner's own profile: name, preferences, goal and consent.
#[utoipa::path(
    patch, path = "/v1/learners/{id}", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = LearnerChange,
    responses(
        (status = 200, description = "The profile as it now is", body = Positioned<ProfileAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn patch_learner(
    state: TenantState,
    _signed_in: SignedIn,
    Id(user_id): Id<UserId>,
    Incoming { request, body }: Incoming<LearnerChange>,
) -> Result<Response, Problem> {
    let change = ProfileChange {
        display_name: body.display_name,
        native_language: body.native_language,
        target_language: body.target_language,
        country: body.country,
        time_zone: body.time_zone,
        interests: body.interests,
        daily_minutes: body.daily_goal_minutes,
        emotion_care_policy: body.emotion_care_consent.map(|it| it.map(|consent| consent.policy_version)),
    };
    let outcome = state.commands().change_profile(&request, user_id, change).await?;
    let caller = request.caller.user_id;
    Ok(answered(&state, caller, outcome, None, |it| it.profile.map(ProfileAnswer::from)))
}
