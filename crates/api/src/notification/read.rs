//! `POST /v1/notifications/{id}/read`: marking something in the inbox as read.

use axum::response::Response;
use baeum_domain::ids::NotificationId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::SignedIn,
    conditional::{Bare, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// What was read.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadAnswer {
    notification_id: Uuid,
}

/// Marks a notification in the caller's own inbox as read.
#[utoipa::path(
    post, path = "/v1/notifications/{id}/read", tag = "notification", security(("bearer" = [])),
    params(("id" = Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "It is read", body = Positioned<ReadAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn read_notification(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<NotificationId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().read_notification(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| ReadAnswer { notification_id: id.0 }))
}
