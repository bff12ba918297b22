//! Commands over HTTP: Idempotency-Key and If-Match in, ETag and position out.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts as _, Request as HttpRequest},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use baeum_commands::{IdempotencyKey, Outcome, Request};
use baeum_domain::ids::UserId;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    caller::SignedIn,
    json::{self, Nothing},
    layers::RequestId,
    problem::Problem,
    state::ApiState,
};

/// The header that tells the position of a command's events.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("baeum-position");
/// The header that tells a stored answer.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A command of someone who is signed in, with its body.
pub(crate) struct Incoming<T> {
    /// Who asks, with which key and precondition.
    pub(crate) request: Request,
    /// What they ask.
    pub(crate) body: T,
}

impl<T: DeserializeOwned + 'static> FromRequest<ApiState> for Incoming<T> {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let head = Head::of(&parts.headers, parts.extensions.get::<RequestId>(), state)?;
        let bytes = json::bytes(body).await?;
        let idempotency = head
            .key
            .map(|key| IdempotencyKey { key, fingerprint: fingerprint(&parts.method, parts.uri.path(), &bytes) });
        let body = json::parse(&parts.headers, &bytes)?;
        let request = Request {
            caller: signed_in.caller,
            idempotency,
            expected_sequence: head.expected_sequence,
            correlation_id: head.correlation_id,
        };
        Ok(Self { request, body })
    }
}

/// A command of someone who is signed in, without a body (or with an empty object).
pub(crate) struct Bare(pub(crate) Request);

impl FromRequest<ApiState> for Bare {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let head = Head::of(&parts.headers, parts.extensions.get::<RequestId>(), state)?;
        let bytes = json::bytes(body).await?;
        if !bytes.is_empty() {
            let Nothing {} = json::parse(&parts.headers, &bytes)?;
        }
        // No body and an empty object ask for the same.
        let fingerprint = fingerprint(&parts.method, parts.uri.path(), b"");
        Ok(Self(Request {
            caller: signed_in.caller,
            idempotency: head.key.map(|key| IdempotencyKey { key, fingerprint }),
            expected_sequence: head.expected_sequence,
            correlation_id: head.correlation_id,
        }))
    }
}

/// What the headers of a command say.
pub(crate) struct Head {
    /// The client's key.
    pub(crate) key: Option<String>,
    /// The version that the resource must have.
    pub(crate) expected_sequence: Option<i64>,
    /// What ties the consequences of the request together.
    pub(crate) correlation_id: uuid::Uuid,
}

impl Head {
    /// Reads the headers.
    ///
    /// # Errors
    /// `invalid-header`.
    pub(crate) fn of(headers: &HeaderMap, id: Option<&RequestId>, state: &ApiState) -> Result<Self, Problem> {
        let correlation_id = id.map_or_else(|| state.clock().new_id(), |id| id.0);
        Ok(Self { key: idempotency_key(headers)?, expected_sequence: if_match(headers)?, correlation_id })
    }
}

/// A digest of what is asked, by which a key that is used for something else is found out.
pub(crate) fn fingerprint(method: &Method, path: &str, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(method.as_str());
    digest.update(b"\n");
    digest.update(path);
    digest.update(b"\n");
    digest.update(body);
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let sound = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if sound && given.next().is_none() => Ok(Some(key.to_owned())),
        _ => {
            let detail = "Idempotency-Key: give one key of 1 to 255 visible ASCII characters without spaces";
            Err(Problem::new("invalid-header", detail).with("header", "Idempotency-Key"))
        }
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" && given.next().is_none() {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let version = version.filter(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    match version.and_then(|it| it.parse().ok()) {
        Some(version) if given.next().is_none() => Ok(Some(version)),
        _ => {
            let detail = "If-Match: give one version in quotes, such as \"3\", as an ETag of this server, or *";
            Err(Problem::new("invalid-header", detail).with("header", "If-Match"))
        }
    }
}

/// What a command answers, with the position up to which it has worked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Positioned<T> {
    #[serde(flatten)]
    value: T,
    /// Position in the log up to which the command has worked: give it to queries as `min_position`.
    #[schema(minimum = 0)]
    position: i64,
}

/// The answer to a command: 200, or 201 with the place of what it made.
pub(crate) fn answered<A, T: Serialize>(
    state: &ApiState,
    user: UserId,
    outcome: Outcome<A>,
    location: Option<String>,
    value: impl FnOnce(A) -> T,
) -> Response {
    let Outcome { answer, position, sequence, stored } = outcome;
    state.positions.note(user, position);
    let status = if location.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(Positioned { value: value(answer), position })).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(sequence));
    headers.insert(POSITION, HeaderValue::from(position));
    if stored {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(location) = location.and_then(|it| HeaderValue::from_str(&it).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// The answer to a query about something that has a version.
pub(crate) fn versioned<T: Serialize>(version: i64, value: T) -> Response {
    ([(header::ETAG, etag(version))], Json(value)).into_response()
}

/// The ETag of a version.
fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_method_path_and_body_apart() {
        let one = fingerprint(&Method::POST, "/v1/lessons", b"{}");
        assert_eq!(one.len(), 64);
        assert_eq!(one, fingerprint(&Method::POST, "/v1/lessons", b"{}"));
        assert_ne!(one, fingerprint(&Method::PUT, "/v1/lessons", b"{}"));
        assert_ne!(one, fingerprint(&Method::POST, "/v1/lesson", b"s{}"));
        assert_ne!(one, fingerprint(&Method::POST, "/v1/lessons", b"{ }"));
    }

    #[test]
    fn a_version_is_a_number_in_quotes() {
        let of =
            |text: &'static str| if_match(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(text))]));
        assert_eq!(of("\"12\"").expect("sound"), Some(12));
        assert_eq!(of("*").expect("sound"), None);
        for wrong in ["12", "\"\"", "\"-1\"", "\"+1\"", "W/\"1\"", "\"1\", \"2\"", "\"99999999999999999999\""] {
            assert!(of(wrong).is_err(), "{wrong} must be refused");
        }
    }
}
