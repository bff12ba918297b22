//! Errors as the API writes them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The error itself.
    fields: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let fields = [("type", kind.to_owned()), ("message", message.into())];
        Self { status, fields: fields.map(|(name, text)| (name.to_owned(), Value::String(text))).into_iter().collect() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        let problem = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("No such {what}: '{id}'"));
        problem.code("resource_missing")
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    pub(crate) fn rate_limited() -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_request_error", "Too many requests");
        problem.code("rate_limit")
    }

    pub(crate) fn key_reused(key: &str) -> Self {
        let message = format!("The idempotency key '{key}' was used with other parameters or another path before");
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!("Another request with the idempotency key '{key}' is being worked on");
        Self::new(StatusCode::CONFLICT, "idempotency_error", message).code("idempotency_key_in_use")
    }

    pub(crate) fn within(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message)
    }

    pub(crate) fn card((code, decline_code, message): (&'static str, &'static str, &'static str)) -> Self {
        let problem = Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", message);
        problem.code(code).about("decline_code", decline_code.into())
    }

    pub(crate) fn code(self, code: &str) -> Self {
        self.about("code", code.into())
    }

    pub(crate) fn param(self, param: impl Into<String>) -> Self {
        self.about("param", Value::String(param.into()))
    }

    /// With a further field, such as the payment that it is about.
    pub(crate) fn about(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Whether the request was begun before it was refused, so that what it did stands and its answer is kept.
    pub(crate) fn begun(&self) -> bool {
        self.status == StatusCode::PAYMENT_REQUIRED
    }

    /// The error itself, as it is also kept with a payment.
    pub(crate) fn fields(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.fields})
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("0"));
        }
        response
    }
}
