//! How the projections are doing.

use std::sync::Arc;

use baeum_eventlog::{EventLog, LogError};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Projection, cursor};

/// What a projection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProjectionState {
    /// It has taken in the whole log.
    Live,
    /// It has events to take in.
    CatchingUp,
    /// It stands still at an event, and tries it again.
    Failed,
}

/// How one projection is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: &'static str,
    /// Position of the latest event that it has taken in; the floor of the shard for none.
    pub position: i64,
    /// Position of the latest event of the log.
    pub head: i64,
    /// How many events it is behind.
    pub lag: i64,
    /// What it is doing.
    pub state: ProjectionState,
    /// When it last moved or failed; none when it never ran.
    pub updated_at: Option<DateTime<Utc>>,
    /// Why it stands still, where it does.
    pub error: Option<String>,
}

/// The status of each projection, in the order of the registry.
///
/// # Errors
/// When the database cannot be reached.
pub async fn status(log: &EventLog, registry: &[Arc<dyn Projection>]) -> Result<Vec<ProjectionStatus>, sqlx::Error> {
    let cursors = cursor::all(log.pool()).await?;
    let head = log.head().await.map_err(|error| match error {
        LogError::Unavailable(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    })?;
    let of = |projection: &Arc<dyn Projection>| {
        let name = projection.name();
        let cursor = cursors.iter().find(|cursor| cursor.name == name);
        let position = cursor.map_or(log.floor(), |cursor| cursor.position);
        let lag = (head - position).max(0);
        let state = match cursor {
            Some(cursor) if cursor.state == "failed" => ProjectionState::Failed,
            _ if lag > 0 => ProjectionState::CatchingUp,
            _ => ProjectionState::Live,
        };
        let updated_at = cursor.map(|cursor| cursor.updated_at);
        let error = cursor.and_then(|cursor| cursor.error.clone());
        ProjectionStatus { name, position, head, lag, state, updated_at, error }
    };
    Ok(registry.iter().map(of).collect())
}
