//! Notifications: the inbox and its stream, preferences, and for administrators webhooks and what was given up.

mod get_preferences;
mod hub;
mod list_deliveries;
mod list_inbox;
mod read;
mod retry;
mod stream;
mod unsubscribe;
mod webhooks;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use hub::Hub;

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_inbox::list_inbox))
        .routes(routes!(stream::stream_inbox))
        .routes(routes!(read::read_notification))
        .routes(routes!(get_preferences::get_preferences, get_preferences::put_preferences))
        .routes(routes!(unsubscribe::ask, unsubscribe::unsubscribe))
        .routes(routes!(list_deliveries::list_dead_letters))
        .routes(routes!(retry::retry_notification))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::delete_webhook))
        .routes(routes!(list_deliveries::list_webhook_deliveries))
        .routes(routes!(retry::replay_delivery))
}
