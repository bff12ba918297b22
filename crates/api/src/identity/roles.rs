//! `PUT` and `DELETE /v1/users/{id}/roles/{role}`: granting and revoking roles, by administrators.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::Response,
};
use baeum_commands::identity::change_roles::RolesChanged;
use baeum_domain::{identity::user, ids::UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::Role;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::parse,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// The roles that a user has.
#[derive(Serialize, ToSchema)]
pub(crate) struct RolesAnswer {
    /// What they may do, from their next sign-in on.
    roles: Vec<Role>,
}

/// Whose role, and which.
pub(crate) struct Target {
    user_id: UserId,
    role: user::Role,
}

impl FromRequestParts<ApiState> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((user_id, role)) = given.map_err(|_| Problem::plain("invalid-id"))?;
        let role = role.parse().map_err(|_| {
            let detail = "the role in the path is none: give learner, instructor, analyst, auditor or admin";
            Problem::new("invalid-id", detail)
        })?;
        Ok(Self { user_id: parse(&user_id)?, role })
    }
}

/// Grants a role.
#[utoipa::path(
    put, path = "/v1/users/{id}/roles/{role}", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("role" = Role, Path), CommandHeaders),
    responses(
        (status = 200, description = "The roles as they now are", body = Positioned<RolesAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn grant(
    state: TenantState,
    _signed_in: SignedIn,
    target: Target,
    request: Bare,
) -> Result<Response, Problem> {
    change(&state, target, request, true).await
}

/// Revokes a role.
#[utoipa::path(
    delete, path = "/v1/users/{id}/roles/{role}", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("role" = Role, Path), CommandHeaders),
    responses(
        (status = 200, description = "The roles as they now are", body = Positioned<RolesAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn revoke(
    state: TenantState,
    _signed_in: SignedIn,
    target: Target,
    request: Bare,
) -> Result<Response, Problem> {
    change(&state, target, request, false).await
}

async fn change(state: &TenantState, target: Target, Bare(request): Bare, grant: bool) -> Result<Response, Problem> {
    let outcome = state.commands().change_role(&request, target.user_id, target.role, grant).await?;
    let caller = request.caller.user_id;
    Ok(answered(state, caller, outcome, None, |RolesChanged { roles }| RolesAnswer {
        roles: roles.into_iter().map(Into::into).collect(),
    }))
}
