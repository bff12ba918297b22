//! `GET /v1/events/stream`: the log as it grows.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::Stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{READERS, wire::LoggedEvent};
use crate::{caller::SignedIn, docs::StreamProblems, min_position::Params, problem::Problem, tenants::TenantState};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How many events are read at once.
const PAGE: usize = 256;
/// How long a read waits for news.
const PATIENCE: Duration = Duration::from_secs(5);

/// From where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Events after this position; 0 if left out. `Last-Event-ID` goes before it.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// The events of the log as they are appended, as server-sent events: `id` is the position, `event` the type, `data` the
/// event as JSON. Resume with `Last-Event-ID`. For auditors, analysts and administrators; ends when the token expires.
#[utoipa::path(
    get, path = "/v1/events/stream", tag = "log", security(("bearer" = [])),
    params(StreamQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The position of the last event that was received")),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        StreamProblems,
    )
)]
pub(crate) async fn stream_events(
    state: TenantState,
    signed_in: SignedIn,
    Params(StreamQuery { after }): Params<StreamQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    signed_in.must_have(READERS)?;
    let resumed = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => {
            let position = id.to_str().ok().and_then(|it| it.trim().parse::<i64>().ok()).filter(|it| *it >= 0);
            let wrong = || {
                let detail = "Last-Event-ID: give the position of the last event that was received";
                Problem::new("invalid-header", detail).with("header", "Last-Event-ID")
            };
            Some(position.ok_or_else(wrong)?)
        }
    };
    let after = state.position("after", resumed.or(after).unwrap_or(0))?;
    Ok(Sse::new(follow(state, signed_in, after)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn follow(
    state: TenantState,
    signed_in: SignedIn,
    mut position: i64,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    async_stream::stream! {
        let mut feed = state.log().feed();
        while state.clock().now().timestamp() < signed_in.expires_at {
            let page = tokio::select! {
                page = feed.next(position, PAGE, PATIENCE) => page,
                () = state.stop.cancelled() => return,
            };
            match page {
                Ok(events) => {
                    for event in events {
                        position = event.position;
                        if event.tenant == signed_in.caller.tenant
                            && let Some(event) = told(&event.into())
                        {
                            yield Ok(event);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a stream of events waits for the log");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

fn told(event: &LoggedEvent) -> Option<sse::Event> {
    // A name with a line break would be two fields; no event has one.
    let sound = !event.kind.contains(['\n', '\r']);
    let name = if sound { event.kind.as_str() } else { "unreadable" };
    sse::Event::default().id(event.position.to_string()).event(name).json_data(event).ok()
}
