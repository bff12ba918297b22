//! `/v1/clock`: the time of the platform, and travelling it.

use axum::Json;
use baeum_domain::{identity::user::Role, operations::simulated_clock};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    caller::SignedIn,
    conditional::Incoming,
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    problem::Problem,
    state::{ApiState, TravelError},
};

/// The time of the platform.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClockAnswer {
    /// The present moment.
    now: DateTime<Utc>,
    /// Whether it stands still and can be moved.
    travels: bool,
    /// Whether it has come to where it was to go: where not, ask again and it goes on.
    reached: bool,
}

/// Where the clock is to go: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvanceRequest {
    /// To this moment.
    #[serde(default)]
    to: Option<DateTime<Utc>>,
    /// By so much: a number and `s`, `m`, `h` or `d`.
    #[serde(default)]
    #[schema(example = "31d")]
    by: Option<String>,
}

/// The present moment of the platform.
#[utoipa::path(
    get, path = "/v1/clock", tag = "ops", security(("bearer" = [])),
    responses((status = 200, description = "The time", body = ClockAnswer), QueryProblems)
)]
pub(crate) async fn get_clock(state: axum::extract::State<ApiState>, _signed_in: SignedIn) -> Json<ClockAnswer> {
    Json(ClockAnswer { now: state.clock().now(), travels: state.travel.is_some(), reached: true })
}

/// Moves the clock of a platform on which time is travelled, from timer to timer, and waits for what follows from each: for
/// administrators.
#[utoipa::path(
    post, path = "/v1/clock", tag = "ops", security(("bearer" = [])), params(CommandHeaders),
    request_body = AdvanceRequest,
    responses((status = 200, description = "The time now", body = ClockAnswer), CommandProblems)
)]
pub(crate) async fn advance_clock(
    state: axum::extract::State<ApiState>,
    signed_in: SignedIn,
    incoming: Incoming<AdvanceRequest>,
) -> Result<Json<ClockAnswer>, Problem> {
    signed_in.must_have(&[Role::Admin])?;
    let travel = state.travel.clone().ok_or_else(|| Problem::plain("clock-not-travelling"))?;
    let invalid = |field, detail: &str| Problem::new("invalid-body", detail).with("field", field);
    let to = match (incoming.body.to, incoming.body.by) {
        (Some(to), None) => to,
        (None, Some(by)) => {
            let span = simulated_clock::span(&by);
            let span = span.ok_or_else(|| invalid("by", "by: give a number and s, m, h or d, such as 31d"))?;
            let to = state.clock().now().checked_add_signed(span);
            to.ok_or_else(|| invalid("by", "by: that is beyond the calendar"))?
        }
        _ => return Err(invalid("to", "give either `to` or `by`")),
    };
    match travel(to).await {
        Ok(now) => Ok(Json(ClockAnswer { now, travels: true, reached: now >= to })),
        Err(TravelError::Refused(reason)) => Err(Problem::new("clock-backwards", reason)),
        Err(TravelError::Unavailable(reason)) => {
            tracing::error!(reason, "the clock cannot be moved");
            Err(Problem::plain("log-unavailable").retry_after(2))
        }
    }
}
