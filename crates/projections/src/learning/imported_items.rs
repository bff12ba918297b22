//! What the items of other systems look like over all who attempted them there.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded, ids::Source, learning::imported_attempt::ImportedAttempt as Aggregate,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::{FromRow, PgConnection, PgPool};

use super::imported_attempts::{attempts, column};
use crate::{Order, Personal, Projection, ProjectionError};

/// An item of another system.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ImportedItem {
    /// Whose log the attempts are in.
    pub tenant: String,
    /// The system that they come from.
    pub source: String,
    /// The item, as that names it.
    pub item: String,
    /// Attempts at it.
    pub attempts: i64,
    /// Of them known to be right or wrong.
    pub judged: i64,
    /// Of those right.
    pub correct: i64,
    /// Sum of the scores.
    pub score_sum: f64,
    /// Sum of the squares of the scores.
    pub score_squares: f64,
    /// Attempts with a duration.
    pub timed: i64,
    /// Their durations together, in milliseconds.
    pub duration_ms: i64,
    /// When the first was made, by the source.
    pub first_at: DateTime<Utc>,
    /// When the last was made, by the source.
    pub last_at: DateTime<Utc>,
    /// Position of the event that came last.
    pub position: i64,
}

impl ImportedItem {
    /// Mean of the scores, 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "counts of attempts")]
    pub fn mean_score(&self) -> f64 {
        self.score_sum / self.attempts as f64
    }

    /// Share of right ones among those known to be right or wrong.
    #[allow(clippy::cast_precision_loss, reason = "counts of attempts")]
    pub fn facility(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.correct as f64 / self.judged as f64)
    }
}

/// The items of a source by their names, at most `limit` after the item `after`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_source(
    pool: &PgPool,
    tenant: &str,
    source: &Source,
    after: &str,
    limit: u32,
) -> Result<Vec<ImportedItem>, sqlx::Error> {
    sqlx::query_as(&format!("{SELECT} WHERE tenant = $1 AND source = $2 AND item > $3 ORDER BY item LIMIT $4"))
        .bind(tenant)
        .bind(source.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
}

const SELECT: &str = "SELECT tenant, source, item, attempts, judged, correct, score_sum, score_squares, timed,
                             duration_ms, first_at, last_at, position
                      FROM imported_items";

/// Keeps `imported_items`.
pub struct ImportedItems;

impl Projection for ImportedItems {
    fn name(&self) -> &'static str {
        "imported_items"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["imported_items"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "imported_items" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField("item")
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

async fn take_in(db: &mut PgConnection, events: &[Recorded<AnyEvent>]) -> Result<(), ProjectionError> {
    let attempts = attempts(events);
    if attempts.is_empty() {
        return Ok(());
    }
    // Sums of floats depend on their order, so they are made in that of the log.
    let mut items: BTreeMap<(String, String, String), Option<ImportedItem>> = BTreeMap::new();
    for (event, attempt) in &attempts {
        items.insert((event.tenant.clone(), attempt.source.to_string(), attempt.item.clone()), None);
    }
    let keys: Vec<_> = items.keys().cloned().collect();
    let known: Vec<ImportedItem> = sqlx::query_as(&format!(
        "{SELECT} WHERE (tenant, source, item) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"
    ))
    .bind(column(&keys, |(tenant, ..)| tenant.as_str()))
    .bind(column(&keys, |(_, source, _)| source.as_str()))
    .bind(column(&keys, |(.., item)| item.as_str()))
    .fetch_all(&mut *db)
    .await?;
    for row in known {
        items.insert((row.tenant.clone(), row.source.clone(), row.item.clone()), Some(row));
    }
    for (event, attempt) in &attempts {
        let key = (event.tenant.clone(), attempt.source.to_string(), attempt.item.clone());
        let row = items.entry(key).or_default().get_or_insert_with(|| ImportedItem {
            tenant: event.tenant.clone(),
            source: attempt.source.to_string(),
            item: attempt.item.clone(),
            attempts: 0,
            judged: 0,
            correct: 0,
            score_sum: 0.0,
            score_squares: 0.0,
            timed: 0,
            duration_ms: 0,
            first_at: attempt.occurred_at,
            last_at: attempt.occurred_at,
            position: event.position,
        });
        row.attempts += 1;
        row.judged += i64::from(attempt.correct.is_some());
        row.correct += i64::from(attempt.correct == Some(true));
        row.score_sum += attempt.score;
        row.score_squares += attempt.score * attempt.score;
        row.timed += i64::from(attempt.duration_ms.is_some());
        row.duration_ms += i64::from(attempt.duration_ms.unwrap_or(0));
        row.first_at = row.first_at.min(attempt.occurred_at);
        row.last_at = row.last_at.max(attempt.occurred_at);
        row.position = event.position;
    }
    write(db, &items.into_values().flatten().collect::<Vec<_>>()).await?;
    Ok(())
}

async fn write(db: &mut PgConnection, rows: &[ImportedItem]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO imported_items (tenant, source, item, attempts, judged, correct, score_sum, score_squares, timed,
                                     duration_ms, first_at, last_at, position)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                              $7::float8[], $8::float8[], $9::bigint[], $10::bigint[], $11::timestamptz[],
                              $12::timestamptz[], $13::bigint[])
         ON CONFLICT (tenant, source, item) DO UPDATE
         SET attempts = excluded.attempts, judged = excluded.judged, correct = excluded.correct,
             score_sum = excluded.score_sum, score_squares = excluded.score_squares, timed = excluded.timed,
             duration_ms = excluded.duration_ms, first_at = excluded.first_at, last_at = excluded.last_at,
             position = excluded.position",
    )
    .bind(column(rows, |row| row.tenant.as_str()))
    .bind(column(rows, |row| row.source.as_str()))
    .bind(column(rows, |row| row.item.as_str()))
    .bind(column(rows, |row| row.attempts))
    .bind(column(rows, |row| row.judged))
    .bind(column(rows, |row| row.correct))
    .bind(column(rows, |row| row.score_sum))
    .bind(column(rows, |row| row.score_squares))
    .bind(column(rows, |row| row.timed))
    .bind(column(rows, |row| row.duration_ms))
    .bind(column(rows, |row| row.first_at))
    .bind(column(rows, |row| row.last_at))
    .bind(column(rows, |row| row.position))
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{rebuild::compare, testing::in_a_world};

    #[tokio::test]
    async fn an_item_has_its_attempts_together_and_is_the_same_however_it_is_taken_in() {
        in_a_world(async |world| {
            world.import(1, "Q7", 3, 1.0).await;
            world.project().await;
            world.import(2, "Q7", 1, 0.1).await;
            world.import(3, "Q7", 2, 0.2).await;
            let last = world.import(4, "essay", 2, 0.7).await;
            world.project().await;
            let source: Source = "old-lms".parse().expect("a source");
            let items = of_source(&world.pool, "main", &source, "", 10).await.expect("a database");
            let [q7, essay] = &items[..] else { panic!("two items, not {items:?}") };
            assert_eq!((q7.attempts, q7.judged, q7.correct, q7.timed, q7.duration_ms), (3, 3, 1, 3, 6_000));
            assert!((q7.score_sum - 1.3).abs() < 1e-12 && (q7.score_squares - 1.05).abs() < 1e-12);
            assert_eq!(q7.facility(), Some(1.0 / 3.0));
            assert_eq!((essay.facility(), essay.position), (None, last));
            assert!((essay.mean_score() - 0.7).abs() < 1e-12);
            let after = of_source(&world.pool, "main", &source, "Q7", 10).await.expect("a database");
            assert_eq!(after, std::slice::from_ref(essay));
            assert_eq!(of_source(&world.pool, "other", &source, "", 10).await.expect("a database"), []);
            let compared = compare(&world.log, Arc::new(ImportedItems), |_, _| {}).await.expect("compared");
            assert!(compared.is_equal(), "{compared:?}");
        })
        .await;
    }
}
