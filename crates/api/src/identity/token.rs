//! `POST /v1/auth/token`: signing in.

use axum::{
    Json,
    extract::{Request as HttpRequest, State},
    http::{HeaderValue, header},
};
use baeum_commands::{ExecuteError, identity::Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::Role;
use crate::{
    docs::{SignInProblems, TenantHeader},
    json, keys,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// Address and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// The address that was registered.
    email: String,
    /// Its password.
    #[schema(format = "password")]
    password: String,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// The token, a JWT: send it as `Authorization: Bearer <token>`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds it is valid.
    expires_in: i64,
    /// Who signed in.
    user_id: Uuid,
    /// What they may do.
    roles: Vec<Role>,
}

/// Signs in.
#[utoipa::path(
    post, path = "/v1/auth/token", tag = "identity", params(TenantHeader), request_body = TokenRequest,
    responses((status = 200, description = "Signed in", body = TokenAnswer), SignInProblems)
)]
pub(crate) async fn token(State(state): State<ApiState>, request: HttpRequest) -> Result<Json<TokenAnswer>, Problem> {
    let (parts, body) = request.into_parts();
    let state = TenantState::of_header(&parts.headers, &state)?;
    let bytes = json::bytes(body).await?;
    let TokenRequest { email, password } = json::parse(&parts.headers, &bytes)?;
    state.throttle.enter(&state.tenant, &email, state.clock().now()).map_err(|wait| {
        let seconds = u32::try_from(wait.num_seconds()).unwrap_or(0).saturating_add(1);
        Problem::plain("too-many-attempts-to-sign-in").retry_after(seconds)
    })?;
    let found = state.commands().authenticate(&state.tenant, &email, &password).await;
    let caller = found.map_err(|error| match error {
        ExecuteError::Refused(Error::WrongCredentials) => {
            let challenge = HeaderValue::from_static("Bearer realm=\"baeum\"");
            Problem::from(error).header(header::WWW_AUTHENTICATE, challenge)
        }
        other => {
            state.throttle.forgive(&state.tenant, &email);
            other.into()
        }
    })?;
    state.throttle.succeed(&state.tenant, &email);
    let access_token = state.keys().issue(&caller, state.clock())?;
    Ok(Json(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: keys::VALID_FOR.num_seconds(),
        user_id: caller.user_id.0,
        roles: caller.roles.into_iter().map(Into::into).collect(),
    }))
}
