//! `GET /metrics`: for Prometheus.

use std::time::Duration;

use axum::{extract::State, http::header, response::IntoResponse};
use baeum_domain::position::number;
use baeum_projections::learning::lessons;
use futures::future::join_all;
use tokio::time::timeout;

use crate::state::ApiState;

/// The metrics of the process, in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "ops",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    // What the databases say, so that it rises where a worker is stuck or gone. All else is told even without them.
    let now = state.clock().now();
    join_all(state.directory.desks().iter().map(async |desk| {
        let log = desk.commands.log();
        let found = timeout(Duration::from_secs(1), baeum_projections::status(log, &state.registry)).await;
        let shard = log.shard().to_string();
        let pending = timeout(Duration::from_secs(1), lessons::pending(log.pool())).await;
        if let Ok(Ok((count, since))) = pending {
            let waiting = since.map_or(0, |since| (now - since).num_milliseconds().max(0));
            metrics::gauge!("baeum_evaluations_pending", "shard" => shard.clone()).set(approximate(count));
            metrics::gauge!("baeum_evaluations_oldest_pending_seconds", "shard" => shard.clone())
                .set(approximate(waiting) / 1000.0);
        }
        for it in found.into_iter().flatten().flatten() {
            let waiting = it.waiting_since.map_or(0, |since| (now - since).num_milliseconds().max(0));
            let labels = [("projection", it.name.to_owned()), ("shard", shard.clone())];
            for (gauge, value) in [
                ("baeum_projection_position", number(it.position)),
                ("baeum_projection_lag", it.lag),
                ("baeum_projection_members", i64::try_from(it.members).unwrap_or(i64::MAX)),
                ("baeum_projection_parked_streams", it.parked_streams),
                ("baeum_projection_parked_events", it.parked_events),
            ] {
                metrics::gauge!(gauge, &labels).set(approximate(value));
            }
            metrics::gauge!("baeum_projection_oldest_waiting_seconds", &labels).set(approximate(waiting) / 1000.0);
        }
    }))
    .await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(value: i64) -> f64 {
    value as f64
}
