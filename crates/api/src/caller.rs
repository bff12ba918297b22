//! Who asks: the bearer of a token.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
};
use baeum_commands::Caller;
use baeum_domain::{identity::user::Role, ids::UserId};

use crate::{keys, problem::Problem, state::ApiState, tenants::TenantState};

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

    /// Whether this is theirs: what a role does not open.
    ///
    /// # Errors
    /// `not-yours`.
    pub(crate) fn must_be(&self, user_id: UserId) -> Result<(), Problem> {
        if self.is(user_id) { Ok(()) } else { Err(Problem::plain("not-yours")) }
    }

    /// Whether they may read everything of `user_id`.
    ///
    /// # Errors
    /// `not-yours`; the problem `absent` for a user of another tenant; `subject-erased`.
    pub(crate) async fn may_read(
        &self,
        state: &TenantState,
        user_id: UserId,
        absent: &'static str,
    ) -> Result<(), Problem> {
        self.may(state, user_id, READERS, absent).await
    }

    /// Whether they may read the profile and progress of `user_id`.
    ///
    /// # Errors
    /// `not-yours`; `user-not-found` for a user of another tenant.
    pub(crate) async fn may_read_progress(&self, state: &TenantState, user_id: UserId) -> Result<(), Problem> {
        self.may(state, user_id, &[Role::Instructor, Role::Analyst, Role::Admin], "user-not-found").await
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

    async fn may(
        &self,
        state: &TenantState,
        user_id: UserId,
        roles: &[Role],
        absent: &'static str,
    ) -> Result<(), Problem> {
        if self.is(user_id) {
            return Ok(());
        }
        if self.caller.has_any(roles) {
            // A role reaches as far as its tenant.
            state.must_have(user_id, absent).await?;
            if state.log().erased().contains(user_id) {
                return Err(Problem::plain("subject-erased"));
            }
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
    // The tenant is taken at its word only to choose the keys; with those it is proved, with the rest of the token.
    let claimed = keys::claimed_tenant(token.trim());
    let desk = claimed.as_deref().and_then(|tenant| state.directory.find(tenant));
    let desk = desk.ok_or_else(|| Problem::plain("token-invalid"))?;
    let claims = desk.keys.verify(token.trim(), &desk.commands).await?;
    if claimed.as_ref() != Some(&claims.tenant) {
        return Err(Problem::plain("token-invalid"));
    }
    if desk.commands.log().erased().contains(claims.sub) {
        return Err(Problem::plain("account-erased"));
    }
    let caller = Caller { tenant: claims.tenant.clone(), user_id: claims.sub, roles: claims.roles.clone() };
    Ok(SignedIn { caller, expires_at: claims.exp })
}
