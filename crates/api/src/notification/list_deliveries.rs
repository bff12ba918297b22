//! What was given up, and how webhooks are doing: for administrators.

use axum::Json;
use baeum_commands::notification::webhook_deliveries;
use baeum_domain::{identity::user::Role, ids::WebhookId};
use baeum_projections::notification::notifications;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::Channel;
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// A page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersQuery {
    /// After this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Notifications that were given up, in the order in which they were.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLettersAnswer {
    dead_letters: Vec<DeadLetter>,
}

/// A notification that was given up on a channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    notification_id: Uuid,
    channel: Channel,
    /// Who was not told.
    learner_id: Uuid,
    /// How often it was tried.
    attempts: u32,
    /// Why the last attempt failed, as a code.
    reason: Option<String>,
    /// When it was given up.
    updated_at: DateTime<Utc>,
    /// Position of that event.
    position: i64,
}

/// Notifications that were given up, in the order in which they were. For administrators.
#[utoipa::path(
    get, path = "/v1/notifications/dead-letters", tag = "notification", security(("bearer" = [])),
    params(DeadLettersQuery),
    responses((status = 200, description = "What was given up", body = DeadLettersAnswer), QueryProblems)
)]
pub(crate) async fn list_dead_letters(
    state: TenantState,
    signed_in: SignedIn,
    Params(DeadLettersQuery { after, limit, min_position }): Params<DeadLettersQuery>,
) -> Result<Json<DeadLettersAnswer>, Problem> {
    signed_in.must_have(&[Role::Admin])?;
    let page = (state.position("after", after.unwrap_or(0))?, checked(limit)?);
    MinPosition { min_position }.wait(&state, &signed_in, "notifications").await?;
    let rows = notifications::deliveries(state.log().pool(), &state.tenant, "dead_lettered", page).await?;
    let dead_letters = rows.into_iter().map(|row| DeadLetter {
        notification_id: row.notification_id.0,
        channel: row.channel.into(),
        learner_id: row.learner_id.0,
        attempts: row.attempts,
        reason: row.reason,
        updated_at: row.updated_at,
        position: row.position,
    });
    Ok(Json(DeadLettersAnswer { dead_letters: dead_letters.collect() }))
}

/// How a delivery of a webhook is doing.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// It waits, or is tried again.
    Pending,
    /// The partner took it.
    Delivered,
    /// It was given up.
    DeadLettered,
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// Of this webhook only.
    webhook_id: Option<Uuid>,
    /// In this state only.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Of events after this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Deliveries of webhooks, in the order of their events.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveriesAnswer {
    deliveries: Vec<WebhookDelivery>,
}

/// An event that a webhook is told of.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    webhook_id: Uuid,
    /// Position of the event.
    position: i64,
    /// Its type.
    event_type: String,
    /// `pending`, `delivered` or `dead_lettered`.
    state: String,
    /// How often it was tried.
    attempts: i32,
    /// Why the last attempt failed, as a code.
    last_error: Option<String>,
    /// When it is tried next, while it is pending.
    next_attempt_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

/// What webhooks were told, are to be told, and could not be told, in the order of the events. What was told is forgotten
/// after 30 days. For administrators.
#[utoipa::path(
    get, path = "/v1/notifications/webhooks/deliveries", tag = "notification", security(("bearer" = [])),
    params(DeliveriesQuery),
    responses((status = 200, description = "The deliveries", body = DeliveriesAnswer), QueryProblems)
)]
pub(crate) async fn list_webhook_deliveries(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<DeliveriesQuery>,
) -> Result<Json<DeliveriesAnswer>, Problem> {
    signed_in.must_have(&[Role::Admin])?;
    let page = (state.position("after", query.after.unwrap_or(0))?, checked(query.limit)?);
    let of = query.state.map(|it| match it {
        DeliveryState::Pending => "pending",
        DeliveryState::Delivered => "delivered",
        DeliveryState::DeadLettered => "dead_lettered",
    });
    let webhook = query.webhook_id.map(WebhookId);
    let rows = webhook_deliveries::list(state.log().pool(), &state.tenant, webhook, of, page).await?;
    let deliveries = rows.into_iter().map(|row| WebhookDelivery {
        webhook_id: row.webhook_id,
        position: row.position,
        event_type: row.event_type,
        state: row.state,
        attempts: row.attempts,
        last_error: row.last_error,
        next_attempt_at: row.next_attempt_at,
        updated_at: row.updated_at,
    });
    Ok(Json(DeliveriesAnswer { deliveries: deliveries.collect() }))
}

fn checked(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(100);
    if (1..=1000).contains(&limit) { Ok(limit) } else { Err(Problem::new("invalid-query", "limit: give 1 to 1000")) }
}
