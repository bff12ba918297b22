//! `/v1/learners/{id}/erasure`: asking to be forgotten, how far that is, and taking it back.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts as _, Request as HttpRequest},
    response::Response,
};
use baeum_commands::{
    IdempotencyKey, Request,
    identity::request_erasure::{ErasureStatus, ErasureWish},
};
use baeum_domain::{identity::erasure, ids::UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::register::without_password;
use crate::{
    caller::SignedIn,
    conditional::{Bare, Head, Positioned, answered},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    id::Id,
    json,
    layers::RequestId,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// Why a person is to be forgotten: a ground of article 17 (1) of the GDPR.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ground {
    NoLongerNeeded,
    ConsentWithdrawn,
    Objection,
    UnlawfulProcessing,
    LegalObligation,
    CollectedFromChild,
}

impl From<Ground> for erasure::Ground {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::NoLongerNeeded => Self::NoLongerNeeded,
            Ground::ConsentWithdrawn => Self::ConsentWithdrawn,
            Ground::Objection => Self::Objection,
            Ground::UnlawfulProcessing => Self::UnlawfulProcessing,
            Ground::LegalObligation => Self::LegalObligation,
            Ground::CollectedFromChild => Self::CollectedFromChild,
        }
    }
}

/// How a person is to be forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureRequest {
    /// Why.
    ground: Ground,
    /// Days in which it can be taken back; none if left out.
    #[serde(default)]
    #[schema(maximum = 30)]
    grace_days: u16,
    /// The person's own password, where they ask themselves; administrators leave it out.
    #[schema(format = "password")]
    password: Option<String>,
}

/// How far an erasure is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureState {
    /// Nobody asked for it.
    None,
    /// It takes place when its grace is over.
    Requested,
    /// It was taken back.
    Withdrawn,
    /// Nothing that was sealed for the person opens any more; rows are still being removed.
    Erased,
    /// Nothing is left.
    Finished,
}

/// How far the erasure of a person is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureAnswer {
    /// How far it is.
    state: ErasureState,
    /// When its grace is over, while it waits for that.
    due_at: Option<DateTime<Utc>>,
}

impl From<ErasureStatus> for ErasureAnswer {
    fn from(status: ErasureStatus) -> Self {
        use erasure::Standing;
        let (state, due_at) = match status.standing {
            None => (ErasureState::None, None),
            Some(Standing::Requested { due_at }) => (ErasureState::Requested, Some(due_at)),
            Some(Standing::Withdrawn) => (ErasureState::Withdrawn, None),
            Some(Standing::Erased) => (ErasureState::Erased, None),
            Some(Standing::Finished) => (ErasureState::Finished, None),
        };
        Self { state, due_at }
    }
}

/// The request with its body. The password is left out of what is remembered of it.
pub(crate) struct Wish {
    request: Request,
    body: ErasureRequest,
}

impl FromRequest<ApiState> for Wish {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let head = Head::of(&parts.headers, parts.extensions.get::<RequestId>(), state)?;
        let bytes = json::bytes(body).await?;
        let body: ErasureRequest = json::parse(&parts.headers, &bytes)?;
        let fingerprint = without_password(parts.uri.path(), &bytes);
        let request = Request {
            caller: signed_in.caller,
            idempotency: head.key.map(|key| IdempotencyKey { key, fingerprint }),
            expected_sequence: head.expected_sequence,
            correlation_id: head.correlation_id,
        };
        Ok(Self { request, body })
    }
}

/// Asks for a person to be forgotten: themselves, with their password, or an administrator. When the grace is over, their
/// key is destroyed, and what is kept about them is removed; the anonymous part of what they did stays.
#[utoipa::path(
    post, path = "/v1/learners/{id}/erasure", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders), request_body = ErasureRequest,
    responses(
        (status = 200, description = "It is asked for", body = Positioned<ErasureAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
        (status = 429, description = "Too many attempts", body = crate::problem::Details,
         content_type = "application/problem+json", headers(("Retry-After" = i64))),
    )
)]
pub(crate) async fn request(
    state: TenantState,
    Id(subject): Id<UserId>,
    Wish { request, body }: Wish,
) -> Result<Response, Problem> {
    let guessing = format!("erasure of {subject}");
    if request.caller.user_id == subject {
        state.throttle.enter(&state.tenant, &guessing, state.clock().now()).map_err(|wait| {
            let seconds = u32::try_from(wait.num_seconds()).unwrap_or(0).saturating_add(1);
            Problem::plain("too-many-attempts-to-sign-in").retry_after(seconds)
        })?;
    }
    let wish = ErasureWish { ground: body.ground.into(), grace_days: body.grace_days, password: body.password };
    let outcome = state.commands().request_erasure(&request, subject, &wish).await?;
    state.throttle.succeed(&state.tenant, &guessing);
    Ok(answered(&state, request.caller.user_id, outcome, None, ErasureAnswer::from))
}

/// How far the erasure of a person is: for themselves, as long as they can sign in, and for administrators.
#[utoipa::path(
    get, path = "/v1/learners/{id}/erasure", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "How far it is", body = ErasureAnswer), QueryProblems)
)]
pub(crate) async fn status(
    state: TenantState,
    signed_in: SignedIn,
    Id(subject): Id<UserId>,
) -> Result<Json<ErasureAnswer>, Problem> {
    let found = state.commands().erasure_of(&signed_in.caller, subject).await?;
    Ok(Json(found.into()))
}

/// Takes an erasure back within its grace.
#[utoipa::path(
    delete, path = "/v1/learners/{id}/erasure", tag = "identity", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), CommandHeaders),
    responses(
        (status = 200, description = "It is taken back", body = Positioned<ErasureAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn withdraw(
    state: TenantState,
    _signed_in: SignedIn,
    Id(subject): Id<UserId>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().withdraw_erasure(&request, subject).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, ErasureAnswer::from))
}
