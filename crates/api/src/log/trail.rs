//! `GET /v1/log/trail` and `GET /v1/log/events/{id}/causes`: who did what to whom, and what led to what.

use axum::Json;
use baeum_commands::TrailFilter;
use baeum_domain::Recorded;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{READERS, wire::LoggedEvent};
use crate::{
    caller::SignedIn, docs::QueryProblems, id::Id, min_position::Params, problem::Problem, tenants::TenantState,
};

/// Which deeds.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrailQuery {
    /// Done by this user (an id) or process (`saga:<name>`).
    actor: Option<String>,
    /// Done to this one: the id of an aggregate, or of a learner whom the events name.
    subject: Option<String>,
    /// What followed from one outside request.
    correlation_id: Option<Uuid>,
    /// Deeds after this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many at most, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrailAnswer {
    /// The deeds, in the order of their positions.
    deeds: Vec<Deed>,
    /// Go on with `after` = this, until it is `head`: a page may be short, or empty, before the end.
    next_after: i64,
    /// Position of the latest event of the log.
    head: i64,
}

/// Who did what to whom, and when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deed {
    /// Place in the log.
    position: i64,
    /// When.
    at: DateTime<Utc>,
    /// Who: a user's id, or `saga:<name>`, or `operator:<account>`.
    actor: String,
    /// What: the name of the event.
    did: String,
    /// To what: the type of the aggregate.
    aggregate_type: String,
    /// Its id.
    aggregate_id: String,
    /// The learner that the event names, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    learner_id: Option<String>,
    /// Id of the event: `/v1/log/events/{id}/causes` tells what led to it.
    event_id: Uuid,
    /// The outside request that it follows from.
    correlation_id: Uuid,
    /// The command or event that led to it.
    causation_id: Uuid,
}

impl From<Recorded<Value>> for Deed {
    fn from(event: Recorded<Value>) -> Self {
        let learner = event.payload.get(&event.event_type).and_then(|body| body.get("learner_id"));
        Self {
            learner_id: learner.and_then(Value::as_str).map(ToOwned::to_owned),
            position: event.position,
            at: event.recorded_at,
            actor: event.actor,
            did: event.event_type,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            event_id: event.event_id,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
        }
    }
}

/// Who did what to whom, when: by actor, subject, outside request, or all of them. For auditors, analysts and
/// administrators.
#[utoipa::path(
    get, path = "/v1/log/trail", tag = "log", security(("bearer" = [])), params(TrailQuery),
    responses((status = 200, description = "A page of the trail", body = TrailAnswer), QueryProblems)
)]
pub(crate) async fn get_trail(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<TrailQuery>,
) -> Result<Json<TrailAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let TrailQuery { actor, subject, correlation_id, after, limit } = query;
    let (after, limit) = (state.position("after", after.unwrap_or(0))?, limit.unwrap_or(100));
    if !(1..=1000).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 1000"));
    }
    for (name, text) in [("actor", &actor), ("subject", &subject)] {
        if text.as_ref().is_some_and(|it| it.is_empty() || it.len() > 200 || it.chars().any(char::is_control)) {
            let detail = format!("{name}: give 1 to 200 characters, no control characters");
            return Err(Problem::new("invalid-query", detail));
        }
    }
    let filter = TrailFilter { tenant: signed_in.caller.tenant, actor, subject, correlation_id };
    let (events, next_after) = state.log().trail(after, limit, &filter).await?;
    let head = state.log().head().await?.max(next_after);
    Ok(Json(TrailAnswer { deeds: events.into_iter().map(Into::into).collect(), next_after, head }))
}

/// What led to an event, and what followed from it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CausesAnswer {
    /// What led to it, nearest first. The `causation_id` of the last one is the command of an outside request.
    causes: Vec<Deed>,
    /// The event.
    event: LoggedEvent,
    /// What followed from it, in the order of positions.
    effects: Vec<Deed>,
    /// Whether its request had more than 1,000 consequences: then later ones are left out.
    truncated: bool,
}

/// The chain of causes of an event, up to the outside request and down to the last consequence. For auditors, analysts
/// and administrators.
#[utoipa::path(
    get, path = "/v1/log/events/{id}/causes", tag = "log", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The event's id")),
    responses((status = 200, description = "The chain", body = CausesAnswer), QueryProblems)
)]
pub(crate) async fn get_causes(
    state: TenantState,
    signed_in: SignedIn,
    Id(id): Id<Uuid>,
) -> Result<Json<CausesAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let found = state.log().causes(&signed_in.caller.tenant, id).await?;
    let found = found.ok_or_else(|| Problem::new("event-not-found", format!("there is no event {id}")))?;
    Ok(Json(CausesAnswer {
        causes: found.up.into_iter().map(Into::into).collect(),
        event: found.event.into(),
        effects: found.down.into_iter().map(Into::into).collect(),
        truncated: found.truncated,
    }))
}
