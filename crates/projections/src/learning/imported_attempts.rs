//! Attempts that learners made in other systems, and what each learner has of them together.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{ImportedAttemptId, Source, UserId},
    learning::imported_attempt::{Attempt, Event, ImportedAttempt as Aggregate},
    level::Skill,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, row};

/// An attempt of another system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedAttempt {
    /// Its id.
    pub attempt_id: ImportedAttemptId,
    /// Who made it: a pseudonym.
    pub learner_id: UserId,
    /// The system that it comes from.
    pub source: Source,
    /// What was attempted, as the source names it.
    pub item: String,
    /// The skill, where the source tells.
    pub skill: Option<Skill>,
    /// When it was made, by the source.
    pub occurred_at: DateTime<Utc>,
    /// How good it was, 0 to 1.
    pub score: f64,
    /// Whether it was right, where known.
    pub correct: Option<bool>,
    /// How long it took, in milliseconds, where known.
    pub duration_ms: Option<u32>,
    /// How many words the answer had, where known.
    pub words: Option<u32>,
    /// Position of its event.
    pub position: i64,
}

/// What a learner has of imported attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromRow)]
pub struct ImportedLearner {
    /// The learner, by a pseudonym.
    pub learner_id: Uuid,
    /// Whose log the attempts are in.
    pub tenant: String,
    /// The system that they come from.
    pub source: String,
    /// How many they are.
    pub attempts: i64,
    /// Sum of their scores.
    pub score_sum: f64,
    /// When the first was made, by the source.
    pub first_at: DateTime<Utc>,
    /// When the last was made, by the source.
    pub last_at: DateTime<Utc>,
    /// Position of the event that came last.
    pub position: i64,
}

/// The attempts of a learner, the latest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_learner(
    db: impl PgExecutor<'_>,
    learner: UserId,
    limit: u32,
) -> Result<Vec<ImportedAttempt>, sqlx::Error> {
    let sql = "SELECT to_jsonb(a) FROM imported_attempts a WHERE learner_id = $1
               ORDER BY occurred_at DESC, attempt_id LIMIT $2";
    row::list(db, sql, learner.0, limit).await
}

/// What a learner has of imported attempts, if any.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find_learner(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<ImportedLearner>, sqlx::Error> {
    sqlx::query_as(&format!("{SELECT} WHERE learner_id = $1")).bind(learner.0).fetch_optional(db).await
}

const SELECT: &str = "SELECT learner_id, tenant, source, attempts, score_sum, first_at, last_at, position
                      FROM imported_learners";

/// Keeps `imported_attempts` and `imported_learners`.
pub struct ImportedAttempts;

impl Projection for ImportedAttempts {
    fn name(&self) -> &'static str {
        "imported_attempts"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["imported_attempts", "imported_learners"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "imported_attempts", of: "learner_id = $1" },
            Personal::Rows { table: "imported_learners", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(take_in(db, std::slice::from_ref(event)))
    }

    fn apply_all<'a>(
        &'a self,
        db: &'a mut PgConnection,
        events: &'a [Recorded<AnyEvent>],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(take_in(db, events))
    }
}

/// The attempts among events, each with its event.
pub(super) fn attempts(events: &[Recorded<AnyEvent>]) -> Vec<(&Recorded<AnyEvent>, &Attempt)> {
    let chosen = events.iter().map(|event| match &event.payload {
        AnyEvent::ImportedAttempt(Event::AttemptImported(attempt)) => Some((event, attempt)),
        _ => None,
    });
    chosen.flatten().collect()
}

async fn take_in(db: &mut PgConnection, events: &[Recorded<AnyEvent>]) -> Result<(), ProjectionError> {
    let attempts = attempts(events);
    if attempts.is_empty() {
        return Ok(());
    }
    insert(db, &attempts).await?;
    // Sums of floats depend on their order, so they are made in that of the log.
    let mut learners: BTreeMap<Uuid, Option<ImportedLearner>> = BTreeMap::new();
    learners.extend(attempts.iter().map(|(_, attempt)| (attempt.learner_id.0, None)));
    let ids: Vec<Uuid> = learners.keys().copied().collect();
    let known: Vec<ImportedLearner> =
        sqlx::query_as(&format!("{SELECT} WHERE learner_id = ANY($1)")).bind(ids).fetch_all(&mut *db).await?;
    learners.extend(known.into_iter().map(|row| (row.learner_id, Some(row))));
    for (event, attempt) in &attempts {
        let row = learners.entry(attempt.learner_id.0).or_default();
        let row = row.get_or_insert_with(|| ImportedLearner {
            learner_id: attempt.learner_id.0,
            tenant: event.tenant.clone(),
            source: attempt.source.to_string(),
            attempts: 0,
            score_sum: 0.0,
            first_at: attempt.occurred_at,
            last_at: attempt.occurred_at,
            position: event.position,
        });
        row.attempts += 1;
        row.score_sum += attempt.score;
        row.first_at = row.first_at.min(attempt.occurred_at);
        row.last_at = row.last_at.max(attempt.occurred_at);
        row.position = event.position;
    }
    let rows: Vec<ImportedLearner> = learners.into_values().flatten().collect();
    sqlx::query(
        "INSERT INTO imported_learners (learner_id, tenant, source, attempts, score_sum, first_at, last_at, position)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::timestamptz[],
                              $7::timestamptz[], $8::bigint[])
         ON CONFLICT (learner_id) DO UPDATE
         SET attempts = excluded.attempts, score_sum = excluded.score_sum, first_at = excluded.first_at,
             last_at = excluded.last_at, position = excluded.position",
    )
    .bind(column(&rows, |row| row.learner_id))
    .bind(column(&rows, |row| row.tenant.as_str()))
    .bind(column(&rows, |row| row.source.as_str()))
    .bind(column(&rows, |row| row.attempts))
    .bind(column(&rows, |row| row.score_sum))
    .bind(column(&rows, |row| row.first_at))
    .bind(column(&rows, |row| row.last_at))
    .bind(column(&rows, |row| row.position))
    .execute(db)
    .await?;
    Ok(())
}

async fn insert(db: &mut PgConnection, rows: &[(&Recorded<AnyEvent>, &Attempt)]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO imported_attempts (attempt_id, learner_id, source, item, skill, occurred_at, score, correct,
                                        duration_ms, words, position)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                              $7::float8[], $8::boolean[], $9::bigint[], $10::bigint[], $11::bigint[])",
    )
    .bind(column(rows, |(_, attempt)| attempt.attempt_id.0))
    .bind(column(rows, |(_, attempt)| attempt.learner_id.0))
    .bind(column(rows, |(_, attempt)| attempt.source.as_str()))
    .bind(column(rows, |(_, attempt)| attempt.item.as_str()))
    .bind(column(rows, |(_, attempt)| attempt.skill.map(<&'static str>::from)))
    .bind(column(rows, |(_, attempt)| attempt.occurred_at))
    .bind(column(rows, |(_, attempt)| attempt.score))
    .bind(column(rows, |(_, attempt)| attempt.correct))
    .bind(column(rows, |(_, attempt)| attempt.duration_ms.map(i64::from)))
    .bind(column(rows, |(_, attempt)| attempt.words.map(i64::from)))
    .bind(column(rows, |(event, _)| event.position))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, in_a_world};

    #[tokio::test]
    async fn a_learner_has_the_attempts_of_another_system_with_their_own_times() {
        in_a_world(async |world| {
            world.import(1, "Q7", 3, 1.0).await;
            world.project().await;
            let second = world.import(2, "Q8", 1, 0.25).await;
            // What is there already changes nothing.
            world.import(2, "Q8", 1, 0.25).await;
            world.project().await;
            let found = of_learner(&world.pool, LEARNER, 10).await.expect("a database");
            let told: Vec<_> = found.iter().map(|it| (it.item.as_str(), it.score, it.duration_ms)).collect();
            assert_eq!(told, [("Q7", 1.0, Some(3_000)), ("Q8", 0.25, Some(1_000))]);
            assert_eq!((found[0].skill, found[0].correct), (Some(Skill::Reading), Some(true)));
            assert_eq!(of_learner(&world.pool, LEARNER, 1).await.expect("a database").len(), 1);
            let learner = find_learner(&world.pool, LEARNER).await.expect("a database").expect("a learner");
            assert_eq!((learner.attempts, learner.score_sum, learner.position), (2, 1.25, second));
            assert_eq!(learner.first_at.to_rfc3339(), "2024-05-01T08:00:00+00:00");
            assert_eq!(learner.last_at.to_rfc3339(), "2024-05-03T08:00:00+00:00");
            let nobody = UserId(Uuid::from_u128(999));
            assert_eq!(find_learner(&world.pool, nobody).await.expect("a database"), None);
        })
        .await;
    }
}
