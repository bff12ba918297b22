//! `POST /v1/users`: registering.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{FromRequest, Request as HttpRequest},
    http::Method,
    response::Response,
};
use baeum_commands::{Caller, IdempotencyKey, Request, identity::register::Registration};
use baeum_domain::{
    identity::{
        locale::{Country, Language, TimeZone},
        user::{Preferences, Role},
    },
    ids::{Topic, UserId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    conditional::{Head, Positioned, answered, fingerprint},
    docs::{CommandHeaders, RegisterProblems, TenantHeader},
    json,
    layers::RequestId,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// Who wants to learn, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterRequest {
    /// The address to sign in with.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// 10 to 128 characters.
    #[schema(format = "password", min_length = 10, max_length = 128)]
    password: String,
    /// What to be called.
    #[schema(min_length = 1, max_length = 80)]
    display_name: String,
    /// Language of explanations (ISO 639-1).
    #[schema(value_type = String, example = "ko")]
    native_language: Language,
    /// Language to learn (ISO 639-1); `en` if left out.
    #[schema(value_type = Option<String>, example = "en")]
    target_language: Option<Language>,
    /// Where titles must be available (ISO 3166-1 alpha-2).
    #[schema(value_type = String, example = "KR")]
    country: Country,
    /// Decides which day an activity counts for (IANA).
    #[schema(value_type = String, example = "Asia/Seoul")]
    time_zone: TimeZone,
    /// Topics to learn with, at most 10.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["travel", "food"]))]
    interests: BTreeSet<Topic>,
}

/// The new account.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisterAnswer {
    /// The user: the learner's id everywhere.
    user_id: Uuid,
}

/// Who registers is nobody yet, so this reads the request by itself.
pub(crate) struct Newcomer {
    state: TenantState,
    request: Request,
    body: RegisterRequest,
}

impl FromRequest<ApiState> for Newcomer {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let state = TenantState::of_header(&parts.headers, state)?;
        let head = Head::of(&parts.headers, parts.extensions.get::<RequestId>(), &state)?;
        let bytes = json::bytes(body).await?;
        let body: RegisterRequest = json::parse(&parts.headers, &bytes)?;
        let idempotency =
            head.key.map(|key| IdempotencyKey { key, fingerprint: without_password("/v1/users", &bytes) });
        let caller = Caller { tenant: state.tenant.clone(), user_id: UserId(Uuid::nil()), roles: BTreeSet::new() };
        let (expected_sequence, correlation_id) = (head.expected_sequence, head.correlation_id);
        Ok(Self { state, request: Request { caller, idempotency, expected_sequence, correlation_id }, body })
    }
}

/// The fingerprint is stored, so the password is left out of it: a digest of a password could be guessed. The same
/// request with another password is therefore taken for the same request, and gets its stored answer.
pub(super) fn without_password(path: &str, bytes: &[u8]) -> String {
    let mut fields: BTreeMap<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    fields.remove("password");
    fingerprint(&Method::POST, path, &serde_json::to_vec(&fields).unwrap_or_default())
}

/// Registers a learner.
#[utoipa::path(
    post, path = "/v1/users", tag = "identity", params(CommandHeaders, TenantHeader), request_body = RegisterRequest,
    responses(
        (status = 201, description = "Registered: sign in at POST /v1/auth/token", body = Positioned<RegisterAnswer>,
         headers(("Location" = String, description = "The learner"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        RegisterProblems,
    )
)]
pub(crate) async fn register(newcomer: Newcomer) -> Result<Response, Problem> {
    let Newcomer { state, request, body } = newcomer;
    let target_language = match body.target_language {
        Some(language) => language,
        None => "en".parse().map_err(|_| Problem::plain("internal"))?,
    };
    let registration = Registration {
        email: body.email,
        password: body.password,
        display_name: body.display_name,
        preferences: Preferences {
            native_language: body.native_language,
            target_language,
            country: body.country,
            time_zone: body.time_zone,
            interests: body.interests,
        },
        roles: BTreeSet::from([Role::Learner]),
    };
    let outcome = state.commands().register(&request, registration).await?;
    let user_id = outcome.answer.user_id;
    let location = format!("/v1/learners/{user_id}");
    Ok(answered(&state, user_id, outcome, Some(location), |it| RegisterAnswer { user_id: it.user_id.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_does_not_show_in_the_fingerprint() {
        let of = |text: &str| without_password("/v1/users", text.as_bytes());
        let one = of(r#"{"email":"mina@example.org","password":"correct horse"}"#);
        assert_eq!(one, of(r#"{"password":"another horse","email":"mina@example.org"}"#));
        assert_ne!(one, of(r#"{"email":"jun@example.org","password":"correct horse"}"#));
    }
}
