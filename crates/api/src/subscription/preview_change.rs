//! `GET /v1/subscriptions/{id}/change-preview`: what a change of plan would cost.

use axum::Json;
use baeum_domain::{
    ids::{PlanId, SubscriptionId},
    subscription::proration::{Preview, Proration},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::{AgreedTerms, Amount, BillLine, BillingPeriod};
use crate::{
    caller::SignedIn, docs::PreviewProblems, id::Id, min_position::Params, problem::Problem, tenants::TenantState,
};

/// To which plan.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PreviewQuery {
    /// The new plan; its price is that in the currency of the subscription.
    #[param(value_type = String)]
    plan_id: PlanId,
}

/// What a change costs, for the subscriber to confirm at `POST /v1/subscriptions/{id}/change`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangePreview {
    /// The moment that it is computed for: give it back to confirm.
    shown_at: DateTime<Utc>,
    /// Until when it can be confirmed.
    valid_until: DateTime<Utc>,
    /// The new terms: give `offer` back to confirm.
    plan: AgreedTerms,
    /// The period after the change.
    period: BillingPeriod,
    /// How the amounts come about; nothing in a trial, where nothing is paid yet.
    proration: Option<ProrationAnswer>,
    /// The lines of the bill.
    lines: Vec<BillLine>,
    /// What it costs before account credit; negative where it gives credit. Give it back to confirm.
    net: Amount,
    /// What is taken from the account credit.
    credit_applied: Amount,
    /// What is to be paid at once.
    total: Amount,
}

/// How the amounts of a change come about.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProrationAnswer {
    /// Seconds left of the period.
    seconds_left: u64,
    /// Seconds of the whole period, without pauses.
    seconds_all: u64,
    /// What is given back of the present plan.
    credit: Amount,
    /// What the new plan costs.
    charge: Amount,
}

impl From<Proration> for ProrationAnswer {
    fn from(proration: Proration) -> Self {
        let Proration { seconds_left, seconds_all, credit, charge } = proration;
        Self { seconds_left, seconds_all, credit: credit.into(), charge: charge.into() }
    }
}

impl From<Preview> for ChangePreview {
    fn from(preview: Preview) -> Self {
        Self {
            shown_at: preview.shown_at,
            valid_until: preview.valid_until,
            plan: preview.terms.into(),
            period: preview.period.into(),
            proration: preview.proration.map(Into::into),
            lines: preview.lines.into_iter().map(Into::into).collect(),
            net: preview.net.into(),
            credit_applied: preview.credit_applied.into(),
            total: preview.total.into(),
        }
    }
}

/// What a change to another plan would cost now. Changes nothing; the price holds for 15 minutes, unless anything else
/// happens to the subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}/change-preview", tag = "subscription", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), PreviewQuery),
    responses((status = 200, description = "What it would cost", body = ChangePreview), PreviewProblems)
)]
pub(crate) async fn preview_change(
    state: TenantState,
    signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Params(PreviewQuery { plan_id }): Params<PreviewQuery>,
) -> Result<Json<ChangePreview>, Problem> {
    let preview = state.commands().preview_change(&signed_in.caller, id, &plan_id).await?;
    Ok(Json(preview.into()))
}
