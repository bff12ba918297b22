//! `GET /v1/notifications/stream`: the caller's inbox as it grows.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse,
        sse::{self, KeepAlive, Sse},
    },
};
use baeum_domain::{ids::UserId, notification::notification::Notification};
use baeum_projections::notification::notifications;
use futures::Stream;
use serde_json::json;
use tokio::sync::broadcast::Receiver;

use super::{
    hub::{News, What},
    wire::InboxItem,
};
use crate::{caller::SignedIn, docs::StreamProblems, problem::Problem, tenants::TenantState};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long the stream waits before it looks whether the token still holds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many items of before are read at once.
const PAGE: u32 = 100;

/// The caller's own inbox as it grows, as server-sent events: `notification` with the item, and `read` with the
/// `notification_id` of one that was read. `id` is the position: resume with `Last-Event-ID`, which tells every item since
/// then. Ends when the token expires.
#[utoipa::path(
    get, path = "/v1/notifications/stream", tag = "notification", security(("bearer" = [])),
    params(("Last-Event-ID" = Option<i64>, Header, description = "The position of the last event that was received")),
    responses(
        (status = 200, description = "The news", body = String, content_type = "text/event-stream"),
        StreamProblems,
    )
)]
pub(crate) async fn stream_inbox(
    state: TenantState,
    signed_in: SignedIn,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let resumed = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => {
            let position = id.to_str().ok().and_then(|it| it.trim().parse::<i64>().ok()).filter(|it| *it >= 0);
            let wrong = || {
                let detail = "Last-Event-ID: give the position of the last event that was received";
                Problem::new("invalid-header", detail).with("header", "Last-Event-ID")
            };
            Some(state.position("Last-Event-ID", position.ok_or_else(wrong)?)?)
        }
    };
    let (since, news) = state.inbox().listen(state.log(), &state.stop).await?;
    // What the hub told before is in the read model, once that is as far.
    let missed = match resumed {
        Some(after) if after < since => {
            let caught_up = baeum_projections::wait_for(state.log().pool(), "notifications", since, PATIENCE).await;
            caught_up.map_err(|behind| {
                Problem::new("not-yet-consistent", behind.to_string()).with("position", behind.position).retry_after(1)
            })?;
            Some(after)
        }
        _ => None,
    };
    let told = follow(state, (signed_in.caller.user_id, signed_in.expires_at), missed, since, news);
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn follow(
    state: TenantState,
    (user, expires_at): (UserId, i64),
    missed: Option<i64>,
    since: i64,
    mut news: Receiver<News>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    async_stream::stream! {
        let reader = state.commands().address_of(&state.tenant, user).await.ok().flatten();
        let reader = reader.map(|it| it.display_name).unwrap_or_default();
        let mut after = missed.unwrap_or(since);
        while after < since {
            let Ok(rows) = notifications::inbox_since(state.log().pool(), user, (after, since), PAGE).await else { return };
            after = rows.last().and_then(|it| it.inbox_position).filter(|_| rows.len() == PAGE as usize).unwrap_or(since);
            for item in rows.into_iter().filter_map(|row| InboxItem::of(state.commands(), &reader, row)) {
                if let Some(event) = told(&item) {
                    yield Ok(event);
                }
            }
        }
        while state.clock().now().timestamp() < expires_at && !state.log().erased().contains(user) {
            let one = tokio::select! {
                one = tokio::time::timeout(PATIENCE, news.recv()) => one,
                () = state.stop.cancelled() => return,
            };
            match one {
                // Nothing for a while.
                Err(_) => {}
                // Too far behind, or the end: the client resumes.
                Ok(Err(_)) => return,
                Ok(Ok(one)) => {
                    if one.position > since && one.learner_id == user && one.tenant == state.tenant
                        && let Some(event) = tell(&state, &reader, &one).await
                    {
                        yield Ok(event);
                    }
                }
            }
        }
    }
}

async fn tell(state: &TenantState, reader: &str, news: &News) -> Option<sse::Event> {
    let id = news.notification_id;
    match news.what {
        What::Read => {
            let read = json!({ "notification_id": id.0 });
            sse::Event::default().id(news.position.to_string()).event("read").json_data(read).ok()
        }
        What::Delivered => {
            let loaded = state.log().load::<Notification>(&state.tenant, &id.to_string()).await.ok()?;
            let content = &loaded.state.request.as_ref()?.content;
            told(&InboxItem::new(state.commands(), reader, id, content, (news.position, news.at), None))
        }
    }
}

fn told(item: &InboxItem) -> Option<sse::Event> {
    sse::Event::default().id(item.position().to_string()).event("notification").json_data(item).ok()
}
