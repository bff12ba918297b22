//! `GET /v1/projections`: how the read models are doing.

use axum::Json;
use baeum_projections::PartitionStatus;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::READERS;
use crate::{caller::SignedIn, docs::QueryProblems, problem::Problem, tenants::TenantState, wire::mirror};

mirror! {
    /// What a read model is doing.
    #[serde(rename_all = "snake_case")]
    ProjectionState = baeum_projections::ProjectionState {
        /// It has come to the end of the log.
        Live,
        /// It has events to take in.
        CatchingUp,
        /// It stands still, and tries again.
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
    /// The position up to which all of its partitions have come.
    position: i64,
    /// Position of the latest event of the log.
    head: i64,
    /// How many events it is behind.
    lag: i64,
    /// When the event was appended that has waited longest to be taken in, where one waits.
    waiting_since: Option<DateTime<Utc>>,
    state: ProjectionState,
    /// When it last moved or failed.
    updated_at: Option<DateTime<Utc>>,
    /// Why it stands still, where it does.
    error: Option<String>,
    /// How many processes work on it.
    members: usize,
    /// Each of its partitions.
    partitions: Vec<ProjectionPartition>,
    /// How many of its streams stand still at an event that cannot be taken in:
    /// `GET /v1/projections/{name}/parked` lists them.
    parked_streams: i64,
    /// How many events are not taken in for that.
    parked_events: i64,
}

/// How one partition of a read model is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectionPartition {
    /// Its number, from 0.
    partition: u32,
    /// Position of the latest event that it has come to.
    position: i64,
    /// The process that works on it, if one does.
    member: Option<Uuid>,
}

impl From<PartitionStatus> for ProjectionPartition {
    fn from(PartitionStatus { partition, position, member }: PartitionStatus) -> Self {
        Self { partition, position, member }
    }
}

/// Position, lag and state of each read model: for analysts, auditors and administrators.
#[utoipa::path(
    get, path = "/v1/projections", tag = "log", security(("bearer" = [])),
    responses((status = 200, description = "The read models", body = ProjectionsAnswer), QueryProblems)
)]
pub(crate) async fn projections(state: TenantState, signed_in: SignedIn) -> Result<Json<ProjectionsAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let found = baeum_projections::status(state.log(), &state.registry).await?;
    let projections = found.into_iter().map(|it| Projection {
        name: it.name,
        position: it.position,
        head: it.head,
        lag: it.lag,
        waiting_since: it.waiting_since,
        state: it.state.into(),
        updated_at: it.updated_at,
        error: it.error,
        members: it.members,
        partitions: it.partitions.into_iter().map(Into::into).collect(),
        parked_streams: it.parked_streams,
        parked_events: it.parked_events,
    });
    Ok(Json(ProjectionsAnswer { projections: projections.collect() }))
}
