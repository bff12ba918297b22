//! `POST /v1/recommendations/{id}/reactions`: what the learner did with something that was recommended.

use axum::response::Response;
use baeum_domain::{
    ids::RecommendationId,
    recommendation::{recommending, taste},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    problem::Problem,
    tenants::TenantState,
};

/// A reaction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactionBody {
    /// To what.
    #[schema(value_type = RecommendedContent)]
    content: recommending::Content,
    /// `opened`, `finished` or `dismissed`.
    #[schema(value_type = String)]
    reaction: taste::Reaction,
}

/// A title or clip by its id.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the domain reads")]
pub(crate) struct RecommendedContent {
    /// `title` or `clip`.
    kind: String,
    /// Its name in the catalogue.
    id: String,
}

/// The reaction that stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReactionAnswer {
    recommendation_id: Uuid,
    reaction: String,
}

/// Notes what the learner did with a title or clip that was recommended to them: opened it, finished it, or sent it away.
/// Later recommendations learn from it. A later reaction takes the place of an earlier one.
#[utoipa::path(
    post, path = "/v1/recommendations/{id}/reactions", tag = "recommendation", security(("bearer" = [])),
    params(("id" = Uuid, Path), CommandHeaders), request_body = ReactionBody,
    responses(
        (status = 200, description = "The reaction", body = Positioned<ReactionAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn react(
    state: TenantState,
    _signed_in: SignedIn,
    Id(recommendation_id): Id<RecommendationId>,
    Incoming { request, body }: Incoming<ReactionBody>,
) -> Result<Response, Problem> {
    let ReactionBody { content, reaction } = body;
    let outcome = state.commands().react(&request, recommendation_id, content, reaction).await?;
    let answer = ReactionAnswer { recommendation_id: recommendation_id.0, reaction: reaction.to_string() };
    Ok(answered(&state, request.caller.user_id, outcome, None, |()| answer))
}
