//! Who looked at whose personal data: for auditors. A row an access; rows stay when a person is forgotten, as the proof
//! that their data was handled rightly, and name nobody then.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::access::{Access as Aggregate, Event},
    ids::UserId,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError};

/// An access to a person's data.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Access {
    /// Position of its event.
    pub position: i64,
    /// Its id.
    pub access_id: Uuid,
    /// Whose data.
    pub subject_id: Uuid,
    /// Who looked: a user's id, or `operator:<account>`.
    pub actor: String,
    /// What of it: `name`, `email`, `answers`, `everything`.
    pub what: Vec<String>,
    /// By which door: a route of the API, or a command of the command line.
    pub route: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Which accesses.
#[derive(Clone, Debug, Default)]
pub struct AccessFilter {
    /// To this person's data only.
    pub subject: Option<UserId>,
    /// By this actor only.
    pub actor: Option<String>,
}

/// The accesses in a tenant after a position, in order, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(
    pool: &PgPool,
    tenant: &str,
    filter: &AccessFilter,
    after: i64,
    limit: u32,
) -> Result<Vec<Access>, sqlx::Error> {
    sqlx::query_as(
        "SELECT position, access_id, subject_id, actor, what, route, at FROM accesses
         WHERE tenant = $1 AND position > $2 AND ($3::uuid IS NULL OR subject_id = $3)
           AND ($4::text IS NULL OR actor = $4)
         ORDER BY position LIMIT $5",
    )
    .bind(tenant)
    .bind(after)
    .bind(filter.subject.map(|it| it.0))
    .bind(&filter.actor)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
}

/// Keeps `accesses`.
pub struct Accesses;

impl Projection for Accesses {
    fn name(&self) -> &'static str {
        "accesses"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["accesses"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Record { table: "accesses", of: "subject_id = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByAggregate
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            let AnyEvent::Access(Event::PersonalDataAccessed { access_id, subject_id, what, route }) = &event.payload
            else {
                return Ok(());
            };
            sqlx::query(
                "INSERT INTO accesses (position, tenant, access_id, subject_id, actor, what, route, at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(event.position)
            .bind(&event.tenant)
            .bind(access_id)
            .bind(subject_id.0)
            .bind(&event.actor)
            .bind(what.iter().map(ToString::to_string).collect::<Vec<_>>())
            .bind(route)
            .bind(event.recorded_at)
            .execute(db)
            .await?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::identity::access::{Category, Command};

    use super::*;
    use crate::testing::{LEARNER, in_a_world};

    #[tokio::test]
    async fn accesses_are_found_by_person_and_by_actor() {
        in_a_world(async |world| {
            for (access, subject) in [(1, 1), (2, 2), (3, 1)] {
                let note = Command::Note {
                    access_id: Uuid::from_u128(access),
                    subject_id: UserId(Uuid::from_u128(subject)),
                    what: [Category::Name, Category::Email].into(),
                    route: "GET /v1/learners/{id}".into(),
                };
                world.execute::<Aggregate>(Uuid::from_u128(subject), note).await;
            }
            world.project().await;
            let of = async |filter: AccessFilter, after: i64| -> Vec<u128> {
                let found = list(&world.pool, "main", &filter, after, 10).await.expect("a database");
                found.iter().map(|it| it.access_id.as_u128()).collect()
            };
            let by = |actor: &str| AccessFilter { actor: Some(actor.to_owned()), ..AccessFilter::default() };
            assert_eq!(of(AccessFilter::default(), 0).await, [1, 2, 3]);
            assert_eq!(of(AccessFilter { subject: Some(LEARNER), ..AccessFilter::default() }, 0).await, [1, 3]);
            assert_eq!(of(AccessFilter { subject: Some(LEARNER), ..AccessFilter::default() }, 1).await, [3]);
            assert_eq!(of(by(&LEARNER.to_string()), 0).await, [1, 2, 3]);
            assert_eq!(of(by("nobody"), 0).await, Vec::<u128>::new());
            let elsewhere = list(&world.pool, "busan", &AccessFilter::default(), 0, 10).await.expect("a database");
            assert_eq!(elsewhere, []);
        })
        .await;
    }
}
