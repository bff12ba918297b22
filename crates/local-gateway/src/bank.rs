//! The page that stands for the bank's: the customer agrees to a payment or a setup there (3-D Secure), or does not.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::LOCATION},
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use serde_json::Value;

use crate::{
    desk::Desk,
    form::Form,
    gateway::{Gateway, Sent, lock},
    line::Line,
    payment_intent,
    problem::Problem,
    setup_intent,
};

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/bank/{id}", get(page).post(decide))
}

async fn page(Path(id): Path<String>) -> Response {
    if !id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
        return Problem::missing("payment", "").into_response();
    }
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Test bank</title>\
         <h1>Test bank</h1><p>Do you agree to <code>{id}</code>?</p>\
         <form method=post><button name=outcome value=agree>Agree</button> \
         <button name=outcome value=refuse>Refuse</button></form></html>"
    ))
    .into_response()
}

/// `outcome=agree` or `outcome=refuse`; the customer is then sent back to where the payment says.
async fn decide(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>, body: axum::body::Bytes) -> Response {
    let sent = Sent { path: format!("/bank/{id}"), id: id.clone(), key: None, body, line: Line::default() };
    let (status, body) = gateway.authenticate(&sent, authenticated);
    // A bank that refuses has decided too.
    if status != StatusCode::OK && status != StatusCode::PAYMENT_REQUIRED {
        return (status, axum::Json(body)).into_response();
    }
    let back = {
        let state = lock(&gateway.state);
        let intent = state.books.payment_intents.get(&id).and_then(|it| it.return_url.clone());
        intent.or_else(|| state.books.setup_intents.get(&id).and_then(|it| it.return_url.clone()))
    };
    match back {
        None => Html("<!doctype html><title>Test bank</title><p>Done. You can close this page.").into_response(),
        Some(url) => {
            let name = if id.starts_with("seti_") { "setup_intent" } else { "payment_intent" };
            let outcome = if status == StatusCode::OK { "succeeded" } else { "failed" };
            let join = if url.contains('?') { '&' } else { '?' };
            let location = format!("{url}{join}{name}={id}&redirect_status={outcome}");
            (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
        }
    }
}

fn authenticated(desk: &mut Desk<'_>, id: &str, mut form: Form) -> Result<Value, Problem> {
    let agreed = match form.need("outcome")?.as_str() {
        "agree" => true,
        "refuse" => false,
        _ => return Err(Problem::invalid("The outcome is agree or refuse.").param("outcome")),
    };
    form.finish()?;
    if id.starts_with("seti_") {
        setup_intent::authenticated(desk, id, agreed)
    } else {
        payment_intent::authenticated(desk, id, agreed)
    }
}
