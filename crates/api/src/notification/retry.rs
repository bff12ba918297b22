//! Trying again what was given up: for administrators.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::Response,
};
use baeum_domain::{
    ids::{NotificationId, WebhookId},
    notification::channel::Channel,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// That it is recorded. The dispatcher does it when it comes to that position.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetryAnswer {}

/// Two ids in a path.
pub(crate) struct Ids(String, String);

impl FromRequestParts<ApiState> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((one, other)) = given.map_err(|_| Problem::plain("invalid-id"))?;
        Ok(Self(one, other))
    }
}

/// Has a notification tried again that was given up on a channel, with all attempts anew. For administrators.
#[utoipa::path(
    post, path = "/v1/notifications/{id}/channels/{channel}/retry", tag = "notification", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path), ("channel" = String, Path, description = "`in_app`, `email` or `push`"), CommandHeaders
    ),
    responses(
        (status = 200, description = "It is recorded", body = Positioned<RetryAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn retry_notification(
    state: TenantState,
    _signed_in: SignedIn,
    Ids(one, other): Ids,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let notification: NotificationId = id::parse(&one)?;
    let channel: Channel = other.parse().map_err(|_| {
        let shown: String = other.chars().take(80).collect();
        Problem::new("invalid-id", format!("'{shown}' is no channel: give in_app, email or push"))
    })?;
    let outcome = state.commands().retry_notification(&request, notification, channel).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| RetryAnswer {}))
}

/// Has a partner system told again of an event that it could not be told of, with all attempts anew. For administrators.
#[utoipa::path(
    post, path = "/v1/notifications/webhooks/{id}/deliveries/{position}/replay", tag = "notification",
    security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("position" = i64, Path, description = "The position of the event"), CommandHeaders),
    responses(
        (status = 200, description = "It is recorded", body = Positioned<RetryAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn replay_delivery(
    state: TenantState,
    _signed_in: SignedIn,
    Ids(one, other): Ids,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let (webhook, position): (WebhookId, i64) = (id::parse(&one)?, id::parse(&other)?);
    let outcome = state.commands().replay_webhook_delivery(&request, webhook, position).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| RetryAnswer {}))
}
