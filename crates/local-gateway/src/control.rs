//! `/control/…`: what tests ask and command. No key is needed: the gateway is for machines of one's own.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    books::Change,
    card,
    courier::Courier,
    fault::{Plan, Trouble},
    gateway::{Gateway, lock, ok},
    problem::Problem,
    table::Row,
};

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/control/health", get(async || ok()))
        .route("/control/clock", put(set_clock))
        .route("/control/charges", get(charges))
        .route("/control/customers/{id}/charges", get(customers_charges))
        .route("/control/payment_methods/{id}", post(reissue))
        .route("/control/plan", get(plan).put(set_plan))
        .route("/control/held", get(held))
        .route("/control/release", post(release))
        .route("/control/deliveries", get(deliveries))
        .route("/control/webhooks/release", post(release_webhooks))
        .route("/control/webhooks/settle", post(settle_webhooks))
        .route("/control/events/{id}/send", post(send))
}

#[derive(Deserialize)]
struct StandAt {
    /// In seconds since 1970.
    now: i64,
}

/// Has the clock stand at a moment, for a platform on which time is travelled.
async fn set_clock(State(gateway): State<Arc<Gateway>>, Json(StandAt { now }): Json<StandAt>) -> Json<Value> {
    gateway.hands.stand_at(now);
    ok()
}

/// Every charge, the oldest first.
async fn charges(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let state = lock(&gateway.state);
    Json(json!({"data": state.books.charges.all().map(Row::json).collect::<Vec<_>>()}))
}

/// Every charge of a customer, the oldest first, paid or not: that nobody was charged twice is seen here.
async fn customers_charges(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Json<Value> {
    let state = lock(&gateway.state);
    Json(json!({"data": state.books.charges.of(&id).map(Row::json).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
struct Reissue {
    /// The name of a test card.
    card: String,
}

/// Makes a saved payment method behave as another test card from now on: as if there were money on it again.
async fn reissue(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    Json(Reissue { card }): Json<Reissue>,
) -> Response {
    let Some(card) = card::named(&card) else { return Problem::missing("test card", &card).into_response() };
    let mut state = lock(&gateway.state);
    let Some(method) = state.books.payment_methods.get(&id).cloned() else {
        return Problem::missing("PaymentMethod", &id).into_response();
    };
    answered(state.put(Change::PaymentMethod(method.reissued(card))))
}

async fn plan(State(gateway): State<Arc<Gateway>>) -> Json<Plan> {
    Json(lock(&gateway.state).books.plan.clone())
}

/// Takes the place of the plan. A seed of 0 is that of the command line.
async fn set_plan(State(gateway): State<Arc<Gateway>>, Json(mut plan): Json<Plan>) -> Response {
    if let Some(problem) = plan.problem() {
        return Problem::invalid(problem).into_response();
    }
    if plan.seed == 0 {
        plan.seed = gateway.settings.seed;
    }
    answered(lock(&gateway.state).put(Change::Plan(plan)))
}

#[derive(Deserialize)]
struct AtLeast {
    #[serde(default)]
    at_least: usize,
}

/// How many requests are held; answers once so many are.
async fn held(State(gateway): State<Arc<Gateway>>, Query(AtLeast { at_least }): Query<AtLeast>) -> Json<Value> {
    Json(json!({"held": gateway.held(at_least).await}))
}

/// Lets held requests go; answers when they are done.
async fn release(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    gateway.release().await;
    ok()
}

/// The deliveries that were tried, the oldest first.
async fn deliveries(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({"data": gateway.courier.as_ref().map(Courier::tried).unwrap_or_default()}))
}

/// Lets late webhooks go.
async fn release_webhooks(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    if let Some(courier) = &gateway.courier {
        courier.release();
    }
    ok()
}

/// Lets late webhooks go; answers when every one was taken in or given up.
async fn settle_webhooks(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    if let Some(courier) = &gateway.courier {
        courier.settle().await;
    }
    ok()
}

#[derive(Deserialize)]
struct Send {
    /// How it is to go wrong.
    #[serde(default)]
    trouble: Option<Trouble>,
}

/// Sends an event again.
async fn send(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    Json(Send { trouble }): Json<Send>,
) -> Response {
    let Some(event) = lock(&gateway.state).books.events.get(&id).cloned() else {
        return Problem::missing("event", &id).into_response();
    };
    let Some(courier) = &gateway.courier else {
        return Problem::invalid("There is nobody to send it to: start with --webhook-url.").into_response();
    };
    courier.send(&[event], trouble);
    ok().into_response()
}

fn answered(result: std::io::Result<()>) -> Response {
    match result {
        Ok(()) => ok().into_response(),
        Err(error) => Problem::within(format!("The journal cannot be written: {error}")).into_response(),
    }
}
