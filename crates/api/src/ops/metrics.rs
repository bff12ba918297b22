//! `GET /metrics`: for Prometheus.

use std::time::Duration;

use axum::{extract::State, http::header, response::IntoResponse};
use tokio::time::timeout;

use crate::state::ApiState;

/// The metrics of the process, in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "ops",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    // Metrics are told even when the database is away.
    let found = timeout(Duration::from_secs(1), baeum_projections::status(state.log(), &state.registry)).await;
    if let Ok(Ok(projections)) = found {
        for projection in projections {
            metrics::gauge!("baeum_projection_lag", "projection" => projection.name).set(approximate(projection.lag));
            metrics::gauge!("baeum_projection_position", "projection" => projection.name)
                .set(approximate(projection.position));
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(value: i64) -> f64 {
    value as f64
}
