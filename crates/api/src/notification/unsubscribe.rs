//! `/v1/notifications/unsubscribe`: where the link in a message leads.
//!
//! A GET changes nothing, since mail programs look at links by themselves: it asks. The POST is what the page sends, and
//! what mail programs send that have a button for it (RFC 8058).

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use baeum_commands::notification::links::Unsubscription;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{docs::SignInProblems, min_position::Params, problem::Problem, state::ApiState, tenants::TenantState};

const CONTENT_SECURITY_POLICY: HeaderName = HeaderName::from_static("content-security-policy");
const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// What the link says.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// The token of the link.
    token: String,
}

/// The tenant whose key checks the token.
fn tenant_of(token: &str, api: &ApiState) -> Result<TenantState, Problem> {
    let claimed = Unsubscription::claimed(token);
    let state = claimed.and_then(|it| TenantState::of(&it.tenant, api));
    state.ok_or_else(|| Problem::plain("link-not-valid"))
}

/// Asks whether to hear no more of what the link names. Changes nothing.
#[utoipa::path(
    get, path = "/v1/notifications/unsubscribe", tag = "notification", params(LinkQuery),
    responses(
        (status = 200, description = "A page that asks", body = String, content_type = "text/html"),
        SignInProblems,
    )
)]
pub(crate) async fn ask(
    State(api): State<ApiState>,
    Params(LinkQuery { token }): Params<LinkQuery>,
) -> Result<Response, Problem> {
    tenant_of(&token, &api)?.commands().read_link(&token).await?;
    Ok(page(
        "<p>이 소식을 더 이상 받지 않으시겠어요?<br>Would you like to hear no more of this?</p>\
         <form method=\"post\"><button>수신 거부 · Unsubscribe</button></form>",
    ))
}

/// Turns off what the link names: one topic on one channel. Whoever has the link may.
#[utoipa::path(
    post, path = "/v1/notifications/unsubscribe", tag = "notification", params(LinkQuery),
    responses(
        (status = 200, description = "A page that says that it is done", body = String, content_type = "text/html"),
        SignInProblems,
    )
)]
pub(crate) async fn unsubscribe(
    State(api): State<ApiState>,
    Params(LinkQuery { token }): Params<LinkQuery>,
) -> Result<Response, Problem> {
    let correlation_id = api.clock().new_id();
    tenant_of(&token, &api)?.commands().unsubscribe(&token, correlation_id).await?;
    Ok(page("<p>수신이 거부되었습니다.<br>Done: you will hear no more of this here.</p>"))
}

fn page(inside: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"ko\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Baeum</title>{inside}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; form-action 'self'")),
        // The token is in the URL.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, html).into_response()
}
