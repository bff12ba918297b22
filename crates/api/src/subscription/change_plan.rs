//! `POST /v1/subscriptions/{id}/change`: changing to another plan, at the price that was shown.

use axum::response::Response;
use baeum_commands::subscription::change_plan::Confirmed;
use baeum_domain::ids::{PlanId, SubscriptionId};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    number::{GivenAmount, Quantity},
    wire::SubscriptionAnswer,
};
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A change as its preview showed it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeRequest {
    /// The new plan.
    #[schema(value_type = String)]
    plan_id: PlanId,
    /// `plan.offer` of the preview.
    offer: Quantity,
    /// `shown_at` of the preview.
    shown_at: DateTime<Utc>,
    /// `net` of the preview.
    net: GivenAmount,
}

/// Changes the subscription to another plan, at the price that was shown. It counts from the moment that was shown.
#[utoipa::path(
    post, path = "/v1/subscriptions/{id}/change", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = ChangeRequest,
    responses(
        (status = 200, description = "Changed", body = Positioned<SubscriptionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn change_plan(
    state: TenantState,
    _signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Incoming { request, body }: Incoming<ChangeRequest>,
) -> Result<Response, Problem> {
    let ChangeRequest { plan_id, offer, shown_at, net } = body;
    let offer = offer.read("offer", 1, u32::MAX.into())?;
    let confirmed = Confirmed { plan_id, offer, shown_at, net: net.read("net")? };
    let outcome = state.commands().change_plan(&request, id, &confirmed).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, SubscriptionAnswer::from))
}
