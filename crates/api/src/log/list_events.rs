//! `GET /v1/events`: the log, page by page.

use axum::Json;
use baeum_commands::EventFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{READERS, wire::LoggedEvent};
use crate::{caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, tenants::TenantState};

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Events after this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many at most, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Events of this type only, for instance `LessonCompleted`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Events of this aggregate only.
    aggregate_id: Option<String>,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// The events, in the order of their positions.
    events: Vec<LoggedEvent>,
    /// Go on with `after` = this, until it is `head`: a page may be short, or empty, before the end.
    next_after: i64,
    /// Position of the latest event of the log.
    head: i64,
}

/// The events of the log, in order: for auditors, analysts and administrators.
#[utoipa::path(
    get, path = "/v1/events", tag = "log", security(("bearer" = [])), params(EventsQuery),
    responses((status = 200, description = "A page of the log", body = EventsAnswer), QueryProblems)
)]
pub(crate) async fn list_events(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<EventsQuery>,
) -> Result<Json<EventsAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let EventsQuery { after, limit, kind, aggregate_id } = query;
    let (after, limit) = (state.position("after", after.unwrap_or(0))?, limit.unwrap_or(100));
    if !(1..=1000).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 1000"));
    }
    for (name, text) in [("type", &kind), ("aggregate_id", &aggregate_id)] {
        if text.as_ref().is_some_and(|it| it.len() > 200 || it.chars().any(char::is_control)) {
            let detail = format!("{name}: give at most 200 characters, no control characters");
            return Err(Problem::new("invalid-query", detail));
        }
    }
    let filter = EventFilter { tenant: Some(signed_in.caller.tenant), event_type: kind, aggregate_id };
    let (events, next_after) = state.log().read_filtered(after, limit, &filter).await?;
    let head = state.log().head().await?.max(next_after);
    Ok(Json(EventsAnswer { events: events.into_iter().map(Into::into).collect(), next_after, head }))
}
