//! `GET /v1/learners/{id}/personal-data`: everything that there is about a person, readable.

use std::collections::BTreeMap;

use axum::Json;
use baeum_commands::SubjectStream;
use baeum_domain::{
    identity::{access::Category, user::Role},
    ids::UserId,
};
use baeum_projections::personal_rows;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::SignedIn, docs::QueryProblems, id::Id, layers::RequestId, log::LoggedEvent, problem::Problem,
    tenants::TenantState,
};

/// This route, as accesses are noted by it.
const ROUTE: &str = "GET /v1/learners/{id}/personal-data";

/// Everything that there is about a person. Their own texts are opened: `{"text": "…"}` stands where the log has a sealed
/// text.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonalDataAnswer {
    /// Whom it is about.
    subject_id: Uuid,
    /// Whose log they are in.
    tenant: String,
    /// When this was put together.
    exported_at: DateTime<Utc>,
    /// Who they are.
    identity: Option<PersonIdentity>,
    /// Their streams of the log.
    streams: Vec<PersonStream>,
    /// All events of those, in order.
    events: Vec<LoggedEvent>,
    /// What the read models hold of them: the rows of each table.
    #[schema(value_type = Object)]
    read_models: BTreeMap<&'static str, Vec<Value>>,
}

/// Who a person is.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonIdentity {
    /// Their address.
    email: String,
    /// What they want to be called.
    display_name: String,
}

/// A stream of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonStream {
    /// Type of the aggregate.
    aggregate_type: String,
    /// Its id.
    aggregate_id: String,
    /// How many events it has.
    events: i64,
}

impl From<SubjectStream> for PersonStream {
    fn from(SubjectStream { aggregate_type, aggregate_id, events }: SubjectStream) -> Self {
        Self { aggregate_type, aggregate_id, events }
    }
}

/// Everything that there is about a person, readable: for themselves, and for administrators but for the estimate of how
/// they feel. The whole log is looked through, and that it was given away is noted.
#[utoipa::path(
    get, path = "/v1/learners/{id}/personal-data", tag = "identity", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "The data", body = PersonalDataAnswer), QueryProblems)
)]
pub(crate) async fn personal_data(
    state: TenantState,
    signed_in: SignedIn,
    Id(subject): Id<UserId>,
    request: RequestId,
) -> Result<Json<PersonalDataAnswer>, Problem> {
    if !signed_in.is(subject) {
        if !signed_in.caller.has_any(&[Role::Admin]) {
            return Err(Problem::plain("not-yours"));
        }
        signed_in.may_read(&state, subject, "user-not-found").await?;
    }
    let (commands, tenant) = (state.commands(), &state.tenant);
    commands.record_access_of(&signed_in.caller, subject, [Category::Everything], ROUTE, request.0).await?;
    let sealed = |error| Problem::refusal(&error);
    let identity = commands.identity_of(tenant, subject).await.map_err(sealed)?;
    let streams = commands.streams_of(tenant, subject).await?;
    let (mut events, mut after) = (vec![], Some(0));
    while let Some(position) = after {
        let page = commands.personal_events(tenant, subject, &streams, position).await?;
        events.extend(page.events.into_iter().map(LoggedEvent::from));
        after = page.next_after;
    }
    let mut read_models = BTreeMap::new();
    let alone: Vec<&str> =
        state.registry.iter().filter(|it| it.is_theirs_alone()).flat_map(|it| it.tables().iter().copied()).collect();
    for mut table in personal_rows(state.log().pool(), &state.registry, subject).await? {
        if !signed_in.is(subject) && alone.contains(&table.table) {
            continue;
        }
        for row in &mut table.rows {
            commands.open_texts(tenant, subject, row).await.map_err(sealed)?;
        }
        read_models.insert(table.table, table.rows);
    }
    let identity = identity.map(|it| PersonIdentity { email: it.email, display_name: it.display_name });
    Ok(Json(PersonalDataAnswer {
        subject_id: subject.0,
        tenant: tenant.clone(),
        exported_at: state.clock().now(),
        identity,
        streams: streams.into_iter().map(Into::into).collect(),
        events,
        read_models,
    }))
}
