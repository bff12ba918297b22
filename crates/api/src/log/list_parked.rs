//! `GET /v1/projections/{name}/parked`: the streams of a read model that stand still.

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use baeum_commands::{
    DatabaseError,
    operations::{Parked, StreamOf},
};
use baeum_projections::parking;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::READERS;
use crate::{
    caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, state::ApiState,
    tenants::TenantState,
};

/// A read model, by the name in the path.
pub(crate) struct Named(pub(super) &'static str);

impl Named {
    fn find(name: &str, state: &ApiState) -> Result<Self, Problem> {
        let known = state.registry.iter().map(|it| it.name()).find(|it| *it == name);
        known.map(Self).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Problem::new("projection-not-found", format!("there is no read model '{shown}'"))
        })
    }
}

impl FromRequestParts<ApiState> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = given.map_err(|_| Problem::plain("invalid-id"))?;
        Self::find(&name, state)
    }
}

/// A stream of a read model, by name and key in the path.
pub(crate) struct Stream {
    projection: &'static str,
    key: String,
}

impl Stream {
    pub(super) fn named(&self) -> StreamOf<'_> {
        StreamOf { projection: self.projection, key: &self.key }
    }

    /// Where it stands, if it is parked and of the caller's tenant.
    pub(super) async fn find(&self, state: &TenantState) -> Result<Option<Parked>, DatabaseError> {
        let pool = state.log().pool();
        let found = parking::find(pool, self.projection, &self.key).await?;
        let found = parking::of_tenant(pool, &state.tenant, found.into_iter().collect()).await?.pop();
        Ok(found.map(|it| Parked { position: it.position, attempts: it.attempts.cast_unsigned() }))
    }
}

impl FromRequestParts<ApiState> for Stream {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((name, key)) = given.map_err(|_| Problem::plain("invalid-id"))?;
        let Named(projection) = Named::find(&name, state)?;
        // The database takes no such character, so no stream is named so.
        if key.contains('\0') {
            return Err(Problem::plain("stream-not-parked"));
        }
        Ok(Self { projection, key })
    }
}

/// Which streams.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ParkedQuery {
    /// Streams after this key; from the first if left out.
    after: Option<String>,
    /// How many at most, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Streams that stand still.
#[derive(Serialize, ToSchema)]
pub(crate) struct ParkedAnswer {
    /// In the order of their keys. Go on with `after` = the last one.
    parked: Vec<ParkedStream>,
}

/// A stream of a read model that stands still at an event that cannot be taken in.
#[derive(Serialize, ToSchema)]
pub(crate) struct ParkedStream {
    /// The key under which the read model keeps its events in order.
    key: String,
    /// Position of the event that it stands at.
    position: i64,
    /// Why that cannot be taken in.
    reason: String,
    /// How often it was tried.
    attempts: i32,
    /// How many later events wait.
    waiting: i64,
    /// When it was last tried.
    parked_at: DateTime<Utc>,
}

/// The streams of a read model that stand still at an event that cannot be taken in, while others go on: for analysts,
/// auditors and administrators.
#[utoipa::path(
    get, path = "/v1/projections/{name}/parked", tag = "log", security(("bearer" = [])),
    params(("name" = String, Path, description = "The read model"), ParkedQuery),
    responses((status = 200, description = "The streams", body = ParkedAnswer), QueryProblems)
)]
pub(crate) async fn list_parked(
    state: TenantState,
    signed_in: SignedIn,
    Named(projection): Named,
    Params(ParkedQuery { after, limit }): Params<ParkedQuery>,
) -> Result<Json<ParkedAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let (after, limit) = (after.unwrap_or_default(), limit.unwrap_or(100));
    if !(1..=1000).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 1000"));
    }
    if after.contains('\0') {
        return Err(Problem::new("invalid-query", "after: give the key of a stream"));
    }
    let (pool, wanted) = (state.log().pool(), limit as usize);
    let (mut after, mut found) = (after, vec![]);
    while found.len() < wanted {
        let page = parking::list(pool, projection, &after, limit).await?;
        let Some(last) = page.last() else { break };
        after = last.key.clone();
        found.extend(parking::of_tenant(pool, &state.tenant, page).await?);
    }
    found.truncate(wanted);
    let parked = found.into_iter().map(|it| ParkedStream {
        key: it.key,
        position: it.position,
        reason: it.reason,
        attempts: it.attempts,
        waiting: it.waiting,
        parked_at: it.parked_at,
    });
    Ok(Json(ParkedAnswer { parked: parked.collect() }))
}
