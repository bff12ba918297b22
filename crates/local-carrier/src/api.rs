//! What is served.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::desk::{Brought, Desk, Fault, Message};

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/shipments", post(bring).get(find))
        .route("/control/next", post(next))
        .route("/control/track", post(track))
        .route("/control/shipments", get(list))
        .with_state(desk)
}

#[derive(Deserialize)]
struct Parcel {
    reference: String,
    address: Value,
    grams: u64,
}

async fn bring(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    if !admitted(&desk, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(parcel) = serde_json::from_slice::<Parcel>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let key = headers.get("idempotency-key").and_then(|it| it.to_str().ok());
    if key != Some(parcel.reference.as_str()) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match desk.bring(&parcel.reference, &parcel.address, parcel.grams) {
        Brought::Taken { answer_lost: true, .. } => broken_off(),
        Brought::Taken { shipment, new, .. } => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            (status, Json(json!({"shipment": shipment}))).into_response()
        }
        Brought::Refused(code) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"code": code}))).into_response(),
        Brought::Failed => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer that ends before it is told: the connection breaks.
fn broken_off() -> Response {
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"{\"ship")), Err(io::Error::other("lost"))]);
    Body::from_stream(broken).into_response()
}

#[derive(Deserialize)]
struct Asked {
    reference: String,
}

async fn find(State(desk): State<Arc<Desk>>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    if !admitted(&desk, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match desk.find(&asked.reference) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(known) => {
            let seen = |(whereabouts, at): &(String, String)| json!({"whereabouts": whereabouts, "at": at});
            let tracking: Vec<_> = known.tracking.iter().map(seen).collect();
            Json(json!({"shipment": known.shipment, "tracking": tracking})).into_response()
        }
    }
}

fn admitted(desk: &Desk, headers: &HeaderMap) -> bool {
    desk.admits(headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()))
}

#[derive(Deserialize)]
struct Plan {
    faults: Vec<Fault>,
}

async fn next(State(desk): State<Arc<Desk>>, Json(plan): Json<Plan>) -> StatusCode {
    desk.plan(plan.faults);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Moved {
    reference: String,
    whereabouts: String,
    at: String,
    #[serde(default = "once")]
    messages: Vec<Message>,
}

fn once() -> Vec<Message> {
    vec![Message::Genuine]
}

async fn track(State(desk): State<Arc<Desk>>, Json(moved): Json<Moved>) -> Json<Value> {
    let statuses = desk.track(&moved.reference, &moved.whereabouts, &moved.at, &moved.messages).await;
    Json(json!({"answered": statuses}))
}

async fn list(State(desk): State<Arc<Desk>>) -> Json<Value> {
    Json(json!({"shipments": desk.shipments()}))
}
