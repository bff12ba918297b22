//! Who asks: the bearer of a token.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
};
use baeum_commands::Caller;
use baeum_domain::{identity::user::Role, ids::UserId};

use crate::{problem::Problem, state::ApiState};

/// Whoever reads every read model.
const READERS: &[Role] = &[Role::Analyst, Role::Admin];

/// Someone with a valid token.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) caller: Caller,
    /// Until when the token is valid, in seconds since 1970.
    pub(crate) expires_at: i64,
}

impl SignedIn {
    /// Whether the data of `user_id` is their own.
    pub(crate) fn is(&self, user_id: UserId) -> bool {
        self.caller.user_id == user_id
    }

    /// Whether they may read everything of `user_id`.
    ///
    /// # Errors
    /// `not-yours`.
    pub(crate) fn may_read(&self, user_id: UserId) -> Result<(), Problem> {
        self.may(user_id, READERS)
    }

    /// Whether they may read the profile and progress of `user_id`.
    ///
    /// # Errors
    /// `not-yours`.
    pub(crate) fn may_read_progress(&self, user_id: UserId) -> Result<(), Problem> {
        self.may(user_id, &[Role::Instructor, Role::Analyst, Role::Admin])
    }

    /// Whether they have any of these roles.
    ///
    /// # Errors
    /// `role-missing`.
    pub(crate) fn must_have(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.caller.has_any(roles) {
            return Ok(());
        }
        let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
        let detail = format!("this needs one of the roles {}", names.join(", "));
        Err(Problem::new("role-missing", detail).with("roles", names))
    }

    fn may(&self, user_id: UserId, roles: &[Role]) -> Result<(), Problem> {
        if self.is(user_id) || self.caller.has_any(roles) {
            return Ok(());
        }
        Err(Problem::plain("not-yours"))
    }
}

impl FromRequestParts<ApiState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let found = authenticate(parts, state).await.map_err(|problem| {
            problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"baeum\""))
        })?;
        parts.extensions.insert(found.clone());
        Ok(found)
    }
}

async fn authenticate(parts: &Parts, state: &ApiState) -> Result<SignedIn, Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::plain("token-missing"))?;
    let (scheme, token) = header.to_str().ok().and_then(|it| it.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::plain("token-missing"));
    }
    let claims = state.keys.verify(token.trim(), &state.commands).await?;
    if claims.tenant != state.tenant {
        return Err(Problem::plain("token-invalid"));
    }
    let caller = Caller { tenant: claims.tenant.clone(), user_id: claims.sub, roles: claims.roles.clone() };
    Ok(SignedIn { caller, expires_at: claims.exp })
}
