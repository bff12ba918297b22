//! `GET /v1/reviews`: the caller's cards that are due.

use axum::{Json, response::Response};
use baeum_projections::{history::Whose, review::cards};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::DueCard;
use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, tenants::TenantState,
};

/// Which cards.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DueQuery {
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

/// What is to be reviewed.
#[derive(Serialize, ToSchema)]
pub(crate) struct DueAnswer {
    /// All cards of the caller.
    cards: i64,
    /// Of them due now.
    due: i64,
    /// Which fit of the scheduler to the caller's own reviews is in use; 0 for the usual parameters.
    scheduler: i32,
    /// Those that are due, the longest due first.
    queue: Vec<DueCard>,
}

/// The caller's own cards that are due, the longest due first.
#[utoipa::path(
    get, path = "/v1/reviews", tag = "review", security(("bearer" = [])), params(DueQuery),
    responses(
        (status = 200, description = "The cards", body = DueAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn list_due(
    state: TenantState,
    signed_in: SignedIn,
    Params(DueQuery { limit, min_position, as_of }): Params<DueQuery>,
) -> Result<Response, Problem> {
    let limit = limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
    }
    let (learner, when) = (signed_in.caller.user_id, When { min_position, as_of });
    let mut models = when.open(&state, &signed_in, &["cards"], Whose::Learner(learner)).await?;
    let now = models.view().moment().map_or_else(|| state.clock().now(), |moment| moment.at);
    let tally = cards::tally(models.view().db(), learner, now).await?;
    let queue = cards::due(models.view().db(), learner, now, limit).await?;
    let shown = models.close().await;
    let catalog = state.catalog();
    Ok(shown.answer(Json(DueAnswer {
        cards: tally.cards,
        due: tally.due,
        scheduler: tally.scheduler,
        queue: queue.into_iter().map(|card| DueCard::of(catalog, card)).collect(),
    })))
}
