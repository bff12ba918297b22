//! `/v1/notifications/webhooks`: partner systems that are told of events. For administrators.

use std::collections::BTreeSet;

use axum::response::Response;
use baeum_domain::{identity::user::Role, ids::WebhookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered, versioned},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// What a partner system wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookBody {
    /// Where to send: http or https, without user name and password.
    #[schema(example = "https://partner.example/hooks", max_length = 2000)]
    url: String,
    /// Types of the events to tell, 1 to 50; none about notifications.
    #[schema(example = json!(["LessonCompleted"]), min_items = 1, max_items = 50)]
    event_types: BTreeSet<String>,
}

/// A new webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedWebhook {
    webhook_id: Uuid,
    /// What its messages are signed with, as Standard Webhooks has it. It is shown in this answer only; none where the
    /// webhook was deleted since.
    #[schema(example = "whsec_…")]
    secret: Option<String>,
}

/// Every webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhooksAnswer {
    webhooks: Vec<WebhookAnswer>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookAnswer {
    webhook_id: Uuid,
    /// Where it goes.
    url: Option<String>,
    /// What it is told of.
    event_types: BTreeSet<String>,
}

/// A webhook that is no more.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedWebhook {
    webhook_id: Uuid,
}

/// The webhooks of the tenant. The ETag is that of all of them together. For administrators.
#[utoipa::path(
    get, path = "/v1/notifications/webhooks", tag = "notification", security(("bearer" = [])),
    responses(
        (status = 200, description = "The webhooks", body = WebhooksAnswer, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn list_webhooks(state: TenantState, signed_in: SignedIn) -> Result<Response, Problem> {
    signed_in.must_have(&[Role::Admin])?;
    let (webhooks, version) = state.commands().webhooks(&state.tenant).await?;
    let webhooks = webhooks.into_iter().map(|it| WebhookAnswer {
        webhook_id: it.webhook_id.0,
        url: it.url,
        event_types: it.event_types,
    });
    Ok(versioned(version, WebhooksAnswer { webhooks: webhooks.collect() }))
}

/// Has a partner system told of events from now on, in messages that are signed as Standard Webhooks has it. For
/// administrators.
#[utoipa::path(
    post, path = "/v1/notifications/webhooks", tag = "notification", security(("bearer" = [])),
    params(CommandHeaders), request_body = WebhookBody,
    responses(
        (status = 201, description = "The webhook, with its secret", body = Positioned<CreatedWebhook>,
         headers(("ETag" = String), ("Location" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn create_webhook(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<WebhookBody>,
) -> Result<Response, Problem> {
    let outcome = state.commands().create_webhook(&request, &body.url, body.event_types).await?;
    // The secret is not in the stored answer, where it would stand in clear; the same request is shown it again.
    let id = outcome.answer.webhook_id;
    let secret = state.commands().webhook_endpoint(&state.tenant, id).await?.map(|it| it.secret);
    let location = Some(format!("/v1/notifications/webhooks/{id}"));
    Ok(answered(&state, request.caller.user_id, outcome, location, |it| CreatedWebhook {
        webhook_id: it.webhook_id.0,
        secret,
    }))
}

/// Has a partner system told of nothing more; what it was not told yet is dropped. For administrators.
#[utoipa::path(
    delete, path = "/v1/notifications/webhooks/{id}", tag = "notification", security(("bearer" = [])),
    params(("id" = Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "It is deleted", body = Positioned<DeletedWebhook>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn delete_webhook(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<WebhookId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().delete_webhook(&request, id).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| DeletedWebhook { webhook_id: id.0 }))
}
