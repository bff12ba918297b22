//! How the projections are doing, by what the database says of them.

use std::{collections::HashMap, sync::Arc};

use baeum_eventlog::{EventLog, LogError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Projection, cursor, parking, worker};

/// What a projection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProjectionState {
    /// It has come to the end of the log.
    Live,
    /// It has events to take in.
    CatchingUp,
    /// It stands still, and tries again.
    Failed,
}

/// How one projection is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: &'static str,
    /// The position up to which all of its partitions have come; the floor of the shard for none.
    pub position: i64,
    /// Position of the latest event of the log.
    pub head: i64,
    /// How many events it is behind.
    pub lag: i64,
    /// When the event was appended that has waited longest to be taken in, where one waits.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What it is doing.
    pub state: ProjectionState,
    /// When it last moved or failed; none when it never ran.
    pub updated_at: Option<DateTime<Utc>>,
    /// Why it stands still, where it does.
    pub error: Option<String>,
    /// How many processes work on it.
    pub members: usize,
    /// Each of its partitions.
    pub partitions: Vec<PartitionStatus>,
    /// How many of its streams stand still at an event that cannot be taken in.
    pub parked_streams: i64,
    /// How many events are not taken in for that, with those.
    pub parked_events: i64,
}

/// How one partition of a projection is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Its number, from 0.
    pub partition: u32,
    /// Position of the latest event that it has come to.
    pub position: i64,
    /// The process that works on it, if one does.
    pub member: Option<Uuid>,
}

/// The status of each projection, in the order of the registry.
///
/// # Errors
/// When the database cannot be reached.
pub async fn status(log: &EventLog, registry: &[Arc<dyn Projection>]) -> Result<Vec<ProjectionStatus>, sqlx::Error> {
    let cursors = cursor::all(log.pool()).await?;
    let head = log.head().await.map_err(in_database)?;
    let mut members = HashMap::<String, Vec<Uuid>>::new();
    for (projection, member) in worker::members(log.pool()).await? {
        members.entry(projection).or_default().push(member);
    }
    let parked = parking::counts(log.pool()).await?;
    // Projections that are behind are mostly so by the same event.
    let mut appended = HashMap::<i64, Option<DateTime<Utc>>>::new();
    let mut statuses = vec![];
    for projection in registry {
        let name = projection.name();
        let cursors: Vec<_> = cursors.iter().filter(|cursor| cursor.name == name).collect();
        let furthest_behind = cursors.iter().min_by_key(|cursor| cursor.position);
        let failed = cursors.iter().filter(|cursor| cursor.state == "failed").min_by_key(|cursor| cursor.position);
        let position = furthest_behind.map_or(log.floor(), |cursor| cursor.position);
        let lag = (head - position).max(0);
        let waiting_since = match appended.get(&position) {
            Some(known) => *known,
            None if lag > 0 => {
                let next = log.read(position, 1).await.map_err(in_database)?;
                let at = next.first().map(|event| event.recorded_at);
                appended.insert(position, at);
                at
            }
            None => None,
        };
        let members = members.get(name).map(Vec::as_slice).unwrap_or_default();
        let partition = |cursor: &&cursor::Cursor| {
            let partition = cursor.partition.cast_unsigned();
            PartitionStatus { partition, position: cursor.position, member: worker::owner(members, partition) }
        };
        let (parked_streams, parked_events) =
            parked.iter().find(|it| it.0 == name).map_or((0, 0), |(_, streams, events)| (*streams, *events));
        statuses.push(ProjectionStatus {
            name,
            position,
            head,
            lag,
            waiting_since,
            state: match failed {
                Some(_) => ProjectionState::Failed,
                None if lag > 0 => ProjectionState::CatchingUp,
                None => ProjectionState::Live,
            },
            updated_at: cursors.iter().map(|cursor| cursor.updated_at).max(),
            error: failed.and_then(|cursor| cursor.error.clone()),
            members: members.len(),
            partitions: cursors.iter().map(partition).collect(),
            parked_streams,
            parked_events,
        });
    }
    Ok(statuses)
}

fn in_database(error: LogError) -> sqlx::Error {
    match error {
        LogError::Unavailable(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
