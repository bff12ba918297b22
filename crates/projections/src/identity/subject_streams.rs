//! In which streams anything about a person is recorded: what a question about one person's past, or about everything
//! that is kept of them, begins with.
//!
//! An event is about whom its field `learner_id` or `subscriber` names; a user's own events are about that user. Events are kept in order
//! by that person, so one that this build cannot read parks the index of nobody else: which they are is then known from
//! [`crate::parking`]. It reads aggregates that this build does not know too, and parks them: a stream that is about someone
//! must not be missing once a build knows it.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::{
        subject::{LEARNER_FIELD, SUBSCRIBER_FIELD},
        user::User,
    },
    operations::parked_stream::ParkedStream,
};
use futures::future::BoxFuture;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id};

/// The name of the projection.
pub const NAME: &str = "subject_streams";

/// A stream in which something about a person is recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct SubjectStream {
    /// Type of the aggregate.
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: String,
    /// Whose log it is.
    pub tenant: String,
    /// Position of the first event there that is about the person.
    pub first_position: i64,
}

/// The streams of a person, in the order in which they began.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of(db: impl PgExecutor<'_>, subject: Uuid) -> Result<Vec<SubjectStream>, sqlx::Error> {
    sqlx::query_as(
        "SELECT aggregate_type, aggregate_id, tenant, first_position FROM subject_streams
         WHERE subject_id = $1 ORDER BY first_position, aggregate_type, aggregate_id",
    )
    .bind(subject)
    .fetch_all(db)
    .await
}

/// Keeps `subject_streams`.
pub struct SubjectStreams;

impl Projection for SubjectStreams {
    fn name(&self) -> &'static str {
        NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        &["subject_streams"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "subject_streams", of: "subject_id = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type != ParkedStream::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField(LEARNER_FIELD)
    }

    /// 2: it knows the streams of subscribers too.
    fn version(&self) -> u32 {
        2
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        self.apply_all(db, std::slice::from_ref(event))
    }

    fn apply_all<'a>(
        &'a self,
        db: &'a mut PgConnection,
        events: &'a [Recorded<AnyEvent>],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            let mut found = BTreeMap::<(Uuid, &str, &str), &Recorded<AnyEvent>>::new();
            for event in events {
                if let Some(subject) = subject(event)? {
                    found.entry((subject, &event.aggregate_type, &event.aggregate_id)).or_insert(event);
                }
            }
            let (keys, events): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            sqlx::query(
                "INSERT INTO subject_streams (subject_id, aggregate_type, aggregate_id, tenant, first_position)
                 SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
                 ON CONFLICT (subject_id, aggregate_type, aggregate_id) DO NOTHING",
            )
            .bind(keys.iter().map(|(subject, ..)| *subject).collect::<Vec<_>>())
            .bind(keys.iter().map(|(_, kind, _)| *kind).collect::<Vec<_>>())
            .bind(keys.iter().map(|(.., id)| *id).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.tenant.as_str()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.position).collect::<Vec<_>>())
            .execute(db)
            .await?;
            Ok(())
        })
    }
}

/// Whom an event is about, where it is about anybody.
fn subject(event: &Recorded<AnyEvent>) -> Result<Option<Uuid>, ProjectionError> {
    let named = event.payload.field(LEARNER_FIELD).or_else(|| event.payload.field(SUBSCRIBER_FIELD));
    match named.and_then(|it| it.parse().ok()) {
        None if event.aggregate_type == User::AGGREGATE => aggregate_id(event).map(Some),
        named => Ok(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, in_a_world};

    #[tokio::test]
    async fn every_stream_of_a_learner_is_known_from_its_first_event_on() {
        in_a_world(async |world| {
            let registered = world.register().await;
            world.consent(Some("2026-01")).await;
            let sitting = world.start_sitting(10, 1).await;
            world.answer(10, "one", true, "two").await;
            let lesson = world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 21, 60_000, "2026-03-01").await;
            let progress = world.observe(5, 0.75).await;
            world.project().await;
            let streams = of(&world.pool, LEARNER.0).await.expect("a database");
            let found: Vec<_> = streams.iter().map(|it| (it.aggregate_type.as_str(), it.first_position)).collect();
            // Starting a test is two events.
            let expected = [("user", registered), ("assessment", sitting - 1), ("lesson", lesson)];
            assert_eq!(found[..3], expected);
            assert_eq!(found[3..], [("progress", progress)]);
            assert!(streams.iter().all(|it| it.tenant == "main"));
            assert_eq!(of(&world.pool, Uuid::nil()).await.expect("a database"), []);
        })
        .await;
    }
}
