//! The routes of the API, and what every request must have.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts as _, RawPathParams, Request, State},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, delete, get, post},
};

use crate::{
    customer,
    desk::{Operation, Question},
    event,
    form::Form,
    gateway::{Gateway, Sent, lock},
    line::Line,
    payment_intent, payment_method,
    problem::Problem,
    refund, setup_intent,
};

type Routes = MethodRouter<Arc<Gateway>>;

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/customers", posted(customer::create))
        .route("/v1/customers/{id}", asked(customer::get).merge(deleted(customer::delete)))
        .route("/v1/payment_methods", posted(payment_method::create).merge(asked(payment_method::list)))
        .route("/v1/payment_methods/{id}", asked(payment_method::get))
        .route("/v1/payment_methods/{id}/attach", posted(payment_method::attach))
        .route("/v1/payment_methods/{id}/detach", posted(payment_method::detach))
        .route("/v1/setup_intents", posted(setup_intent::create))
        .route("/v1/setup_intents/{id}", asked(setup_intent::get))
        .route("/v1/setup_intents/{id}/confirm", posted(setup_intent::confirm))
        .route("/v1/payment_intents", posted(payment_intent::create).merge(asked(payment_intent::list)))
        .route("/v1/payment_intents/search", asked(payment_intent::search))
        .route("/v1/payment_intents/{id}", asked(payment_intent::get))
        .route("/v1/payment_intents/{id}/confirm", posted(payment_intent::confirm))
        .route("/v1/payment_intents/{id}/cancel", posted(payment_intent::cancel))
        .route("/v1/refunds", posted(refund::create).merge(asked(refund::list)))
        .route("/v1/refunds/{id}", asked(refund::get))
        .route("/v1/events", asked(event::list))
        .route("/v1/events/{id}", asked(event::get))
        .fallback(unknown)
}

fn posted(operation: Operation) -> Routes {
    post(move |State(gateway): State<Arc<Gateway>>, sent: Sent| gateway.change(sent, operation))
}

fn deleted(operation: Operation) -> Routes {
    delete(move |State(gateway): State<Arc<Gateway>>, sent: Sent| gateway.change(sent, operation))
}

fn asked(question: Question) -> Routes {
    get(move |State(gateway): State<Arc<Gateway>>, request: Request| answer(gateway, request, question))
}

async fn answer(gateway: Arc<Gateway>, request: Request, question: Question) -> Response {
    let (mut parts, _) = request.into_parts();
    let id = id_of(&mut parts, &gateway).await;
    let mut form = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let result = authorized(&parts.headers).and_then(|()| question(&lock(&gateway.state).books, &id, &mut form));
    match result.and_then(|value| form.finish().map(|()| value)) {
        Ok(value) => Json(value).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl FromRequest<Arc<Gateway>> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        authorized(&parts.headers)?;
        let key = match parts.headers.get("idempotency-key").map(|it| it.to_str()) {
            None => None,
            Some(Ok(key)) if (1..=255).contains(&key.len()) => Some(key.to_owned()),
            Some(_) => return Err(Problem::invalid("The idempotency key must have 1 to 255 ASCII characters.")),
        };
        let id = id_of(&mut parts, gateway).await;
        let line = line_of(&mut parts, gateway).await;
        let path = parts.uri.path().to_owned();
        let body = Bytes::from_request(Request::from_parts(parts, body), gateway).await;
        let body = body.map_err(|error| Problem::invalid(format!("The request cannot be read: {error}")))?;
        Ok(Self { path, id, key, body, line })
    }
}

/// A test key: one for real money has no business here.
fn authorized(headers: &HeaderMap) -> Result<(), Problem> {
    let authorization = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default();
    match authorization.strip_prefix("Bearer ") {
        Some(key) if key.starts_with("sk_test_") || key.starts_with("rk_test_") => Ok(()),
        Some(key) if key.starts_with("sk_live_") || key.starts_with("rk_live_") => {
            Err(Problem::unauthorized("This is a local gateway: a key for real money was sent to the wrong address."))
        }
        _ => Err(Problem::unauthorized("Give a test key: Authorization: Bearer sk_test_…")),
    }
}

pub(crate) async fn id_of(parts: &mut Parts, gateway: &Arc<Gateway>) -> String {
    let params = RawPathParams::from_request_parts(parts, gateway).await;
    params.ok().and_then(|it| it.iter().next().map(|(_, id)| id.to_owned())).unwrap_or_default()
}

/// Every connection has a line; a router that is called without one cannot cut it.
async fn line_of(parts: &mut Parts, gateway: &Arc<Gateway>) -> Line {
    ConnectInfo::<Line>::from_request_parts(parts, gateway).await.map(|ConnectInfo(line)| line).unwrap_or_default()
}

async fn unknown(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let mut problem = Problem::invalid(format!("This gateway has no {method} {path}."));
    problem.status = axum::http::StatusCode::NOT_FOUND;
    problem.into_response()
}
