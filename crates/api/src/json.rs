//! Request bodies: JSON of at most 64 KiB, and a clear word on whatever is wrong with one.

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, HeaderValue, header},
};
use futures::StreamExt as _;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::error::Category;
use utoipa::ToSchema;

use crate::problem::Problem;

/// The most bytes that a body may have.
pub(crate) const LIMIT: usize = 64 * 1024;

/// The body of a command that takes none: an empty one, or an empty object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// How much of a body that is too large is read all the same, so that its sender comes to read the answer.
const PATIENCE: usize = 16 * LIMIT;

/// Reads the bytes of a body.
pub(crate) async fn bytes(body: Body) -> Result<Bytes, Problem> {
    bytes_up_to(LIMIT, body).await
}

/// Reads the bytes of a body that may have so many.
pub(crate) async fn bytes_up_to(limit: usize, body: Body) -> Result<Bytes, Problem> {
    let mut body = body.into_data_stream();
    let mut bytes = vec![];
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| Problem::plain("bad-request"))?;
        if bytes.len() + part.len() > limit {
            return Err(too_large(limit, body, bytes.len() + part.len()).await);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}

/// What is answered to a body that is too large, after so much of it. The connection ends with the answer where there is
/// still more.
async fn too_large(limit: usize, mut body: BodyDataStream, mut read: usize) -> Problem {
    let problem = Problem::plain("body-too-large").with("limit", limit);
    while read < limit + PATIENCE {
        match body.next().await {
            None => return problem,
            Some(Ok(part)) => read += part.len(),
            Some(Err(_)) => break,
        }
    }
    problem.header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Reads a JSON body into its type.
pub(crate) fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::plain("unsupported-media-type"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // What is no JSON at all is told as such, even where its beginning has the wrong shape.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(IgnoredAny) => wrong(error.inner(), &error.path().to_string()),
            Err(malformed) => wrong(&malformed, "."),
        }
    })?;
    json.end().map_err(|error| wrong(&error, "."))?;
    Ok(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn wrong(error: &serde_json::Error, field: &str) -> Problem {
    let said = error.to_string();
    // The place is told by members of its own.
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data if field == "." => Problem::new("invalid-body", what),
        Category::Data => Problem::new("invalid-body", format!("{field}: {what}")).with("field", field),
        Category::Syntax | Category::Eof | Category::Io => {
            let detail = format!("the body is not JSON: {what} at line {line} column {column}");
            Problem::new("malformed-json", detail).with("line", line).with("column", column)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_json_is_json() {
        let of = |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        assert!(is_json(&of("application/json")));
        assert!(is_json(&of("Application/JSON; charset=utf-8")));
        assert!(is_json(&of("application/merge-patch+json")));
        assert!(!is_json(&of("text/plain")));
        assert!(!is_json(&of("application/x-www-form-urlencoded")));
        assert!(!is_json(&HeaderMap::new()));
    }
}
