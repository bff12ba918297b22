//! `GET /health/live` and `/health/ready`.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use baeum_projections::ProjectionState;
use futures::future::join_all;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{state::ApiState, tenants::Desk};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Live {
    /// `ok`.
    status: &'static str,
}

/// Whether the process can serve.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ok`, `degraded` when some shards can be served and others not, or `failing`.
    status: &'static str,
    /// `embedded` or `production`.
    mode: &'static str,
    /// What was checked.
    checks: Vec<Check>,
}

/// Something that was checked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    /// What.
    name: String,
    /// Whether it is as it should be.
    ok: bool,
    /// What is wrong, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/health/live", tag = "ops",
    responses((status = 200, description = "It lives", body = Live))
)]
pub(crate) async fn live() -> Json<Live> {
    Json(Live { status: "ok" })
}

/// Whether the process can serve: the database answers, the broker is connected, no read model stands still. With more
/// than one shard, it can as long as one of them is well: the tenants of that one need it.
#[utoipa::path(
    get, path = "/health/ready", tag = "ops",
    responses((status = 200, description = "It can serve", body = Ready), (status = 503, description = "It cannot", body = Ready))
)]
pub(crate) async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<Ready>) {
    let desks = state.directory.desks();
    let shards = join_all(desks.iter().map(|desk| check(&state, desk))).await;
    let well = |checks: &Vec<Check>| checks.iter().all(|check| check.ok);
    let (status, code) = match shards.iter().filter(|it| well(it)).count() {
        0 => ("failing", StatusCode::SERVICE_UNAVAILABLE),
        count if count < shards.len() => ("degraded", StatusCode::OK),
        _ => ("ok", StatusCode::OK),
    };
    (code, Json(Ready { status, mode: state.mode, checks: shards.into_iter().flatten().collect() }))
}

/// Looks at one shard; where there are more, the names of its checks tell which.
async fn check(state: &ApiState, desk: &Desk) -> Vec<Check> {
    let log = desk.commands.log();
    let of = if state.directory.desks().len() > 1 { format!("shard:{}:", log.shard()) } else { String::new() };
    let mut checks = vec![];
    let mut check = |name: String, ok: bool, problem: &'static str| {
        checks.push(Check { name: format!("{of}{name}"), ok, problem: (!ok).then_some(problem) });
    };
    match timeout(PATIENCE, baeum_projections::status(log, &state.registry)).await {
        Ok(Ok(projections)) => {
            check("database".to_owned(), true, "");
            for projection in projections {
                let ok = projection.state != ProjectionState::Failed;
                check(format!("projection:{}", projection.name), ok, "it stands still: see /v1/projections");
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, shard = %log.shard(), "not ready");
            check("database".to_owned(), false, "it does not answer");
        }
        Err(_) => check("database".to_owned(), false, "it does not answer in time"),
    }
    if let Some(connected) = &desk.broker_connected {
        check("broker".to_owned(), connected(), "it is not connected");
    }
    checks
}
