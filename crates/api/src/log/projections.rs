//! `GET /v1/projections`: how the read models are doing.

use axum::Json;
use baeum_domain::identity::user::Role;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{caller::SignedIn, docs::QueryProblems, problem::Problem, tenants::TenantState, wire::mirror};

mirror! {
    /// What a read model is doing.
    #[serde(rename_all = "snake_case")]
    ProjectionState = baeum_projections::ProjectionState {
        /// It has taken in the whole log.
        Live,
        /// It has events to take in.
        CatchingUp,
        /// It stands still at an event, and tries it again.
        Failed,
    }
}

/// How the read models are doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectionsAnswer {
    projections: Vec<Projection>,
}

/// How one read model is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Projection {
    name: &'static str,
    /// Position of the latest event that it has taken in.
    position: i64,
    /// Position of the latest event of the log.
    head: i64,
    /// How many events it is behind.
    lag: i64,
    state: ProjectionState,
    /// When it last moved or failed.
    updated_at: Option<DateTime<Utc>>,
    /// Why it stands still, where it does.
    error: Option<String>,
}

/// Position, lag and state of each read model: for analysts, auditors and administrators.
#[utoipa::path(
    get, path = "/v1/projections", tag = "log", security(("bearer" = [])),
    responses((status = 200, description = "The read models", body = ProjectionsAnswer), QueryProblems)
)]
pub(crate) async fn projections(state: TenantState, signed_in: SignedIn) -> Result<Json<ProjectionsAnswer>, Problem> {
    signed_in.must_have(&[Role::Analyst, Role::Auditor, Role::Admin])?;
    let found = baeum_projections::status(state.log(), &state.registry).await?;
    let projections = found.into_iter().map(|it| Projection {
        name: it.name,
        position: it.position,
        head: it.head,
        lag: it.lag,
        state: it.state.into(),
        updated_at: it.updated_at,
        error: it.error,
    });
    Ok(Json(ProjectionsAnswer { projections: projections.collect() }))
}
