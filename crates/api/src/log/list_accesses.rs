//! `GET /v1/log/accesses`: who looked at whose personal data.

use axum::Json;
use baeum_domain::{identity::user::Role, ids::UserId};
use baeum_projections::identity::accesses::{self, AccessFilter};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
};

/// Which accesses.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccessesQuery {
    /// To the data of this person only.
    subject: Option<Uuid>,
    /// By this actor only: a user's id, or `operator:<account>`.
    actor: Option<String>,
    /// Accesses after this position; 0 if left out.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many at most, 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// Accesses, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessesAnswer {
    /// Go on with `after` = the position of the last one.
    accesses: Vec<Access>,
}

/// An access to the personal data of a person by somebody else, or all of it by anybody.
#[expect(clippy::struct_field_names, reason = "fields of the wire")]
#[derive(Serialize, ToSchema)]
pub(crate) struct Access {
    /// Position of its event.
    position: i64,
    /// Its id.
    access_id: Uuid,
    /// Whose data.
    subject_id: Uuid,
    /// Who looked.
    actor: String,
    /// What of it: `name`, `email`, `answers`, `everything`.
    what: Vec<String>,
    /// By which door.
    route: String,
    /// When.
    at: DateTime<Utc>,
}

/// Who looked at whose personal data: for auditors and administrators.
#[utoipa::path(
    get, path = "/v1/log/accesses", tag = "log", security(("bearer" = [])), params(AccessesQuery),
    responses((status = 200, description = "The accesses", body = AccessesAnswer), QueryProblems)
)]
pub(crate) async fn list_accesses(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<AccessesQuery>,
) -> Result<Json<AccessesAnswer>, Problem> {
    signed_in.must_have(&[Role::Auditor, Role::Admin])?;
    let AccessesQuery { subject, actor, after, limit, min_position } = query;
    let (after, limit) = (state.position("after", after.unwrap_or(0))?, limit.unwrap_or(100));
    if !(1..=1000).contains(&limit) {
        return Err(Problem::new("invalid-query", "limit: give 1 to 1000"));
    }
    if actor.as_ref().is_some_and(|it| it.len() > 200 || it.chars().any(char::is_control)) {
        return Err(Problem::new("invalid-query", "actor: give at most 200 characters, no control characters"));
    }
    MinPosition { min_position }.wait(&state, &signed_in, "accesses").await?;
    let filter = AccessFilter { subject: subject.map(UserId), actor };
    let found = accesses::list(state.log().pool(), &state.tenant, &filter, after, limit).await?;
    let accesses = found.into_iter().map(|it| Access {
        position: it.position,
        access_id: it.access_id,
        subject_id: it.subject_id,
        actor: it.actor,
        what: it.what,
        route: it.route,
        at: it.at,
    });
    Ok(Json(AccessesAnswer { accesses: accesses.collect() }))
}
