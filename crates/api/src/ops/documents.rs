//! `GET /openapi.json` and `/docs`: the API's own description. Everything is in the binary; nothing is fetched.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use utoipa_swagger_ui::Config;

use crate::{docs::PublicProblems, problem::Problem};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::openapi().to_json().unwrap_or_default());
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(true)));

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "ops",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// This description as pages, to read and try.
#[utoipa::path(
    get, path = "/docs", tag = "ops",
    responses((status = 303, description = "To the pages", headers(("Location" = String))), PublicProblems)
)]
pub(crate) async fn docs() -> Redirect {
    Redirect::to("/docs/")
}

/// `GET /docs/`.
pub(crate) async fn docs_index() -> Result<Response, Problem> {
    file("")
}

/// `GET /docs/{*file}`.
pub(crate) async fn docs_file(Path(path): Path<String>) -> Result<Response, Problem> {
    file(&path)
}

fn file(path: &str) -> Result<Response, Problem> {
    let found = utoipa_swagger_ui::serve(path, CONFIG.clone()).map_err(|error| {
        tracing::error!(%error, "a page of the documentation cannot be made");
        Problem::plain("internal")
    })?;
    let file = found.ok_or_else(|| Problem::plain("no-such-route"))?;
    let content_type = HeaderValue::from_str(&file.content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = ([(header::CONTENT_TYPE, content_type)], file.bytes.into_owned()).into_response();
    if file.gzpipped {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
