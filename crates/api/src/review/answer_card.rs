//! `POST /v1/reviews/{id}/answers`: how well a card was remembered.

use axum::response::Response;
use baeum_domain::ids::CardId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::Rating;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// How well a card was remembered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardAnswer {
    rating: Rating,
}

/// A card after its review.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduledCard {
    card_id: Uuid,
    /// When it is due again.
    due_at: DateTime<Utc>,
    /// In how many days the probability of remembering falls to 0.9, as estimated.
    stability: f64,
    /// How hard it is for the learner, 1 to 10, as estimated.
    difficulty: f64,
}

/// Records how well one of the caller's cards was remembered, and schedules it again. A card may be reviewed before it is
/// due.
#[utoipa::path(
    post, path = "/v1/reviews/{id}/answers", tag = "review", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = CardAnswer,
    responses(
        (status = 200, description = "Scheduled", body = Positioned<ScheduledCard>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn answer_card(
    state: TenantState,
    _signed_in: SignedIn,
    Id(card_id): Id<CardId>,
    Incoming { request, body }: Incoming<CardAnswer>,
) -> Result<Response, Problem> {
    let outcome = state.commands().review_card(&request, card_id, body.rating.into()).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, |it| ScheduledCard {
        card_id: it.card_id.0,
        due_at: it.due_at,
        stability: it.stability,
        difficulty: it.difficulty,
    }))
}
