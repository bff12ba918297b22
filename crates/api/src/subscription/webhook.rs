//! `POST /v1/webhooks/stripe`: what the payment gateway tells. No token: the signature says who speaks.

use axum::{
    Json,
    extract::{FromRequest, Request as HttpRequest},
    http::HeaderName,
};
use baeum_commands::dispatch::DispatchError;
use baeum_domain::subscription::gateway::{About, Disbelief, Notice};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{docs::WebhookProblems, json, problem::Problem, state::ApiState};

const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// A delivery that is believed.
pub(crate) struct Delivery {
    state: ApiState,
    notice: Notice,
}

impl FromRequest<ApiState> for Delivery {
    type Rejection = Problem;

    /// The body is taken byte by byte: a signature is of bytes.
    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = json::bytes(body).await?;
        let signature = parts.headers.get(SIGNATURE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let gateway = state.payment_gateway().ok_or_else(|| Problem::plain("no-gateway"))?;
        let notice = gateway.verify(signature, &bytes, state.clock().now()).map_err(|disbelief| {
            metrics::counter!("baeum_webhooks_refused_total").increment(1);
            Problem::plain(match disbelief {
                Disbelief::Forged => "webhook-forged",
                Disbelief::Stale => "webhook-stale",
                Disbelief::Unreadable => "webhook-unreadable",
            })
        })?;
        Ok(Self { state: state.clone(), notice })
    }
}

/// That it was taken in: it need not be sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct TakenIn {
    /// The event, as the gateway names it.
    id: String,
}

/// Takes in what the payment gateway tells. An event that comes again, late or in another order changes nothing that stands.
#[utoipa::path(
    post, path = "/v1/webhooks/stripe", tag = "subscription",
    params(("Stripe-Signature" = String, Header, description = "Time and signature of the body")),
    request_body(content = String, description = "The event, byte by byte", content_type = "application/json"),
    responses((status = 200, description = "Taken in", body = TakenIn), WebhookProblems)
)]
pub(crate) async fn take_stripe_webhook(delivery: Delivery) -> Result<Json<TakenIn>, Problem> {
    let Delivery { state, notice } = delivery;
    let id = notice.id.clone();
    let tenant = match &notice.about {
        Some(About::Charge { tenant, .. } | About::Refund { tenant, .. }) => tenant.clone(),
        None => return Ok(Json(TakenIn { id })),
    };
    // What other installations do with the same account is not ours.
    let Some(desk) = state.directory.find(&tenant) else { return Ok(Json(TakenIn { id })) };
    match desk.commands.take_notice(notice).await {
        Ok(()) => Ok(Json(TakenIn { id })),
        Err(DispatchError::Transient(reason) | DispatchError::Refused { reason, .. }) => {
            tracing::warn!(event = id, reason, "a webhook could not be taken in and is to be sent again");
            Err(Problem::plain("log-unavailable").retry_after(2))
        }
    }
}
