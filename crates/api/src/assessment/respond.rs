//! `POST /v1/assessments/{id}/responses`: answering the item that is asked.

use axum::response::Response;
use baeum_commands::assessment::respond::Answer;
use baeum_domain::ids::{AssessmentId, ItemId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::AssessmentAnswer;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// An answer to an item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemResponse {
    /// The item: `next_item.id`.
    #[schema(value_type = String)]
    item_id: ItemId,
    /// The place of the choice taken, from 0.
    choice: u8,
    /// Milliseconds taken, where measured.
    response_ms: Option<u32>,
}

/// Answers the item that is asked; the answer brings the next item, or the level.
#[utoipa::path(
    post, path = "/v1/assessments/{id}/responses", tag = "assessment", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = ItemResponse,
    responses(
        (status = 200, description = "The test as it now stands", body = Positioned<AssessmentAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn respond(
    state: TenantState,
    _signed_in: SignedIn,
    Id(assessment_id): Id<AssessmentId>,
    Incoming { request, body }: Incoming<ItemResponse>,
) -> Result<Response, Problem> {
    let answer = Answer { item: body.item_id, choice: body.choice, response_ms: body.response_ms };
    let outcome = state.commands().respond(&request, assessment_id, answer).await?;
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| AssessmentAnswer::of(catalog, it)))
}
