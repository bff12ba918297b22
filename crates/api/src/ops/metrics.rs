//! `GET /metrics`: for Prometheus.

use std::time::Duration;

use axum::{extract::State, http::header, response::IntoResponse};
use baeum_domain::position::number;
use futures::future::join_all;
use tokio::time::timeout;

use crate::state::ApiState;

/// The metrics of the process, in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "ops",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    // Metrics are told even when a database is away.
    join_all(state.directory.desks().iter().map(async |desk| {
        let log = desk.commands.log();
        let found = timeout(Duration::from_secs(1), baeum_projections::status(log, &state.registry)).await;
        let shard = log.shard().to_string();
        for projection in found.into_iter().flatten().flatten() {
            let labels = [("projection", projection.name.to_owned()), ("shard", shard.clone())];
            metrics::gauge!("baeum_projection_lag", &labels).set(approximate(projection.lag));
            metrics::gauge!("baeum_projection_position", &labels).set(approximate(number(projection.position)));
        }
    }))
    .await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(value: i64) -> f64 {
    value as f64
}
