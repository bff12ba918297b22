//! What every request goes through: an id, a bounded time, metrics, a log line, and problems for whatever fails.

use std::{any::Any, time::Duration};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{problem::Problem, state::ApiState};

/// The header of the request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a request may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(30);

/// The id of a request: the client's, where it is a UUID, else a new one. It is the correlation id of its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

impl FromRequestParts<ApiState> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| Self(state.clock().new_id())))
    }
}

/// Gives the request its id, counts it, and logs method, route, status and time: never a body, an id or an address.
pub(crate) async fn observe(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|it| it.to_str().ok()?.parse::<Uuid>().ok());
    let id = given.unwrap_or_else(|| state.clock().new_id());
    request.extensions_mut().insert(RequestId(id));
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)".to_owned(), |it| it.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let mut response = tell_path(next.run(request).await, &path);
    let status = response.status().as_u16();
    let took = started.elapsed();
    let labels = [("method", method.to_owned()), ("path", route.clone()), ("status", status.to_string())];
    metrics::counter!("baeum_http_requests_total", &labels).increment(1);
    metrics::histogram!("baeum_http_request_seconds", "method" => method, "path" => route.clone())
        .record(took.as_secs_f64());
    tracing::debug!(method, route, status, took_us = took.as_micros(), request_id = %id, "request");
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Names the path in a problem, and makes a problem of whatever refusal is none yet.
fn tell_path(mut response: Response, path: &str) -> Response {
    let headers = response.headers_mut();
    if path.starts_with("/v1/") && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        // Headers that were added on the way, such as Allow, stay.
        let mut told = problem.at(path).into_response();
        for (name, value) in response.headers() {
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                told.headers_mut().insert(name, value.clone());
            }
        }
        return told;
    }
    response
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Bounds the time of a request.
pub(crate) async fn bound(request: Request, next: Next) -> Response {
    match timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::plain("timed-out").retry_after(2).into_response(),
    }
}

/// What a panic is answered with. Its message is not logged here, since it may quote what the learner wrote; the line of
/// the request follows.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    metrics::counter!("baeum_http_panics_total").increment(1);
    Problem::plain("internal").into_response()
}

/// For paths that are none.
pub(crate) async fn no_such_route() -> Problem {
    Problem::plain("no-such-route")
}

/// For methods that are not for a path.
pub(crate) async fn method_not_allowed() -> (StatusCode, Problem) {
    (StatusCode::METHOD_NOT_ALLOWED, Problem::plain("method-not-allowed"))
}
