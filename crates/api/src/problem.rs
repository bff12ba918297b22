//! Refusals and failures as RFC 9457 problem details. What kinds there are stands in [`crate::problems`].

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use baeum_commands::{DatabaseError, ExecuteError, LogError, Refusal, RefusalKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problems;

/// The media type of problem details.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done (RFC 9457). Other members say more, by type: `field`, `line`, `position`, `expected` …
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    /// What kind of problem it is: stable, and a page that says more.
    #[serde(rename = "type")]
    #[schema(example = "/problems/lesson-ended")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: String,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(flatten)]
    members: BTreeMap<&'static str, Value>,
}

/// A problem on its way to the client.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<(StatusCode, HeaderMap, Details)>);

impl Problem {
    /// A problem of a kind that [`problems::KINDS`] lists.
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self::of(code, StatusCode::INTERNAL_SERVER_ERROR, detail.into())
    }

    /// A problem with no more to say than its kind does.
    pub(crate) fn plain(code: &'static str) -> Self {
        Self::new(code, problems::find(code).map_or("", |kind| kind.about))
    }

    fn of(code: &'static str, otherwise: StatusCode, detail: String) -> Self {
        let known = problems::find(code);
        let status = known.and_then(|kind| StatusCode::from_u16(kind.status).ok()).unwrap_or(otherwise);
        let details = Details {
            kind: format!("/problems/{code}"),
            title: known.map_or("Refused", |kind| kind.title),
            status: status.as_u16(),
            detail,
            instance: None,
            members: BTreeMap::new(),
        };
        Self(Box::new((status, HeaderMap::new(), details)))
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.2.members.insert(name, value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.1.insert(name, value);
        self
    }

    /// Says after how many seconds to try again.
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Names the path of the request.
    pub(crate) fn at(mut self, path: &str) -> Self {
        self.0.2.instance = Some(path.to_owned());
        self
    }

    /// The refusal of a rule.
    pub(crate) fn refusal(refusal: &(impl Refusal + ?Sized)) -> Self {
        let code = refusal.code();
        let status = match refusal.kind() {
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Gone => StatusCode::GONE,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status == StatusCode::SERVICE_UNAVAILABLE && code != "no-content" {
            // What failed inside is for the operator; the client learns that it may try again.
            tracing::error!(code, error = %refusal, "a command could not be done");
            let about = problems::find(code).map_or("Try again in a moment.", |kind| kind.about);
            return Self::of(code, status, about.to_owned()).retry_after(2);
        }
        let problem = Self::of(code, status, refusal.to_string());
        if code == "evaluation-pending" { problem.retry_after(2) } else { problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, headers, details) = *self.0.clone();
        let mut response = (status, headers, Json(details)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        // So that the outermost layer can name the path.
        response.extensions_mut().insert(self);
        response
    }
}

impl<E: Refusal> From<ExecuteError<E>> for Problem {
    fn from(error: ExecuteError<E>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::refusal(&refusal),
            ExecuteError::PreconditionFailed { expected, actual } => {
                Self::new("stale-version", error.to_string()).with("expected", expected).with("actual", actual)
            }
            ExecuteError::KeyReused => Self::new("idempotency-key-reused", error.to_string()),
            ExecuteError::InFlight => Self::new("idempotency-key-in-flight", error.to_string()).retry_after(1),
            ExecuteError::Contended(_) => Self::new("contended", error.to_string()).retry_after(1),
            ExecuteError::Log(error) => error.into(),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        tracing::error!(%error, "the log could not be used");
        match error {
            LogError::Busy => Self::plain("log-busy").retry_after(1),
            LogError::Unreadable { position, event_type, version, .. } => Self::plain("log-unreadable")
                .with("position", position)
                .with("event_type", event_type)
                .with("event_version", version),
            LogError::Unavailable(_) | LogError::Closed | LogError::Unwritable { .. } | LogError::Broker(_) => {
                Self::plain("log-unavailable").retry_after(2)
            }
        }
    }
}

/// A failing query: the text of the database never leaves the server.
impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "a read model could not be read");
        Self::plain("database-unavailable").retry_after(2)
    }
}
