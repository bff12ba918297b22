//! `POST /v1/lessons/{id}/attempts/{attempt_id}/disputes`: saying that an evaluation is wrong.

use axum::response::Response;
use baeum_domain::learning::lesson::Dispute;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::get_attempt::AttemptOf;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems},
    problem::Problem,
    tenants::TenantState,
    wire::mirror,
};

mirror! {
    /// What is wrong in an evaluation.
    #[serde(rename_all = "snake_case")]
    DisputeKind = baeum_domain::learning::lesson::DisputeKind {
        /// What a span marks is right.
        FalseMark,
        /// There is a mistake that no span marks.
        MissedMistake,
        /// The score is too low or too high.
        Score,
    }
}

/// What a learner finds wrong in an evaluation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputeRequest {
    /// Which span of the verdict, from 0: of a false mark, and of nothing else.
    span: Option<u32>,
    /// What is wrong.
    kind: DisputeKind,
}

/// What was taken in.
#[derive(Serialize, ToSchema)]
pub(crate) struct DisputeAnswer {
    /// The lesson.
    lesson_id: Uuid,
    /// The attempt.
    attempt_id: Uuid,
    /// Which span of the verdict, where one was named.
    span: Option<u32>,
    /// What is wrong.
    kind: DisputeKind,
}

/// Says that an evaluation of one's own is wrong. It changes no score: disputes tell how good the models are.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/attempts/{attempt_id}/disputes", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("attempt_id" = uuid::Uuid, Path), CommandHeaders),
    request_body = DisputeRequest,
    responses(
        (status = 201, description = "Taken in", body = Positioned<DisputeAnswer>,
         headers(("Location" = String, description = "The lesson"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn dispute_evaluation(
    state: TenantState,
    _signed_in: SignedIn,
    AttemptOf { lesson_id, attempt_id }: AttemptOf,
    Incoming { request, body }: Incoming<DisputeRequest>,
) -> Result<Response, Problem> {
    let DisputeRequest { span, kind } = body;
    let dispute = Dispute { attempt_id, span, kind: kind.into() };
    let outcome = state.commands().dispute_evaluation(&request, lesson_id, dispute).await?;
    let location = format!("/v1/lessons/{lesson_id}");
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), |()| DisputeAnswer {
        lesson_id: lesson_id.0,
        attempt_id: attempt_id.0,
        span,
        kind,
    }))
}
