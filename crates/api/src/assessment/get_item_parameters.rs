//! `GET /v1/items/{id}/parameters`: what an item turned out to be.

use axum::Json;
use baeum_domain::ids::ItemId;
use baeum_projections::{assessment::item_parameters, history::HistoryError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    as_of::When,
    caller::SignedIn,
    docs::QueryProblems,
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// An item's parameters under the two-parameter logistic model, re-estimated from the answers to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemParameters {
    /// The item.
    item_id: String,
    /// Discrimination.
    discrimination: Parameter,
    /// Difficulty, in logits.
    difficulty: Parameter,
    /// Answers taken in.
    responses: i64,
    /// Of them right.
    correct: i64,
}

/// A parameter with its uncertainty.
#[derive(Serialize, ToSchema)]
pub(crate) struct Parameter {
    /// As estimated now.
    estimate: f64,
    /// Its standard error.
    standard_error: f64,
    /// As the catalogue has it.
    prior: f64,
}

/// An item's difficulty and discrimination as re-estimated, with their uncertainty. For everyone who is signed in: it
/// does not give the answer away.
#[utoipa::path(
    get, path = "/v1/items/{id}/parameters", tag = "assessment", security(("bearer" = [])),
    params(("id" = String, Path), MinPosition),
    responses((status = 200, description = "The parameters", body = ItemParameters), QueryProblems)
)]
pub(crate) async fn get_item_parameters(
    state: TenantState,
    signed_in: SignedIn,
    Id(item_id): Id<ItemId>,
    Params(when): Params<When>,
) -> Result<Json<ItemParameters>, Problem> {
    if when.as_of.is_some() {
        return Err(HistoryError::NotOfOneLearner("item_parameters").into());
    }
    MinPosition { min_position: when.min_position }.wait(&state, &signed_in, "item_parameters").await?;
    let row = item_parameters::find(state.log().pool(), &state.models, &item_id).await?;
    let row = row.ok_or_else(|| Problem::plain("item-not-found"))?;
    Ok(Json(ItemParameters {
        item_id: row.item.into(),
        discrimination: Parameter {
            estimate: row.discrimination,
            standard_error: row.discrimination_error,
            prior: row.prior_discrimination,
        },
        difficulty: Parameter {
            estimate: row.difficulty,
            standard_error: row.difficulty_error,
            prior: row.prior_difficulty,
        },
        responses: row.responses,
        correct: row.correct,
    }))
}
