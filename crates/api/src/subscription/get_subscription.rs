//! `GET /v1/subscriptions` and `/v1/subscriptions/{id}`.

use axum::{Json, response::Response};
use baeum_domain::{
    Decider as _,
    ids::{SubscriptionId, UserId},
    subscription::subscription::Subscription,
};
use baeum_projections::{history::Whose, subscription::subscriptions};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::SubscriptionAnswer;
use crate::{
    as_of::When, caller::SignedIn, conditional::versioned, docs::QueryProblems, id::Id, min_position::Params,
    problem::Problem, tenants::TenantState,
};

/// Which subscriptions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubscriptionsQuery {
    /// Whose: the caller's own if left out; of others for analysts and administrators.
    subscriber: Option<Uuid>,
    /// How many, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
    /// Answer as of a moment of the past: a position of the log, or a time with its zone (RFC 3339). The header
    /// `Baeum-As-Of` tells the position that it is of.
    #[param(example = "2026-03-01T12:00:00Z")]
    as_of: Option<String>,
}

/// Subscriptions, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionsAnswer {
    subscriptions: Vec<SubscriptionAnswer>,
}

/// The subscriptions of a person, the latest first. At most the first of them runs.
#[utoipa::path(
    get, path = "/v1/subscriptions", tag = "subscription", security(("bearer" = [])), params(SubscriptionsQuery),
    responses(
        (status = 200, description = "The subscriptions", body = SubscriptionsAnswer, headers(
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn list_subscriptions(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<SubscriptionsQuery>,
) -> Result<Response, Problem> {
    let SubscriptionsQuery { subscriber, limit, min_position, as_of } = query;
    let limit = limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    let subscriber = subscriber.map_or(signed_in.caller.user_id, UserId);
    signed_in.may_read(&state, subscriber, "user-not-found").await?;
    let when = When { min_position, as_of };
    let mut models = when.open(&state, &signed_in, &["subscriptions"], Whose::Learner(subscriber)).await?;
    let rows = subscriptions::list(models.view().db(), subscriber, limit).await?;
    let shown = models.close().await;
    let subscriptions = rows.into_iter().map(|row| row.contract.into()).collect();
    Ok(shown.answer(Json(SubscriptionsAnswer { subscriptions })))
}

/// A subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{id}", tag = "subscription", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The subscription", body = SubscriptionAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_subscription(
    state: TenantState,
    signed_in: SignedIn,
    Id(id): Id<SubscriptionId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    let whose = Whose::Stream(Subscription::AGGREGATE, id.0);
    let mut models = when.open(&state, &signed_in, &["subscriptions"], whose).await?;
    let row = subscriptions::find(models.view().db(), id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("subscription-not-found"))?;
    signed_in.may_read(&state, row.contract.subscriber, "subscription-not-found").await?;
    Ok(shown.answer(versioned(row.version, SubscriptionAnswer::from(row.contract))))
}
