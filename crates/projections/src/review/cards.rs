//! The cards of each learner and when they are due. What a card asks comes from the catalogue, when it is shown.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    ids::{CardId, UserId},
    review::{
        deck::{Deck, Event, Front, Origin},
        scheduling::Rating,
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, row};

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Which.
    pub card_id: CardId,
    /// Whose.
    pub learner_id: UserId,
    /// What it asks.
    pub front: Front,
    /// Where it comes from.
    pub origin: Origin,
    /// When it was added.
    pub added_at: DateTime<Utc>,
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// How often it was reviewed.
    pub reviews: i64,
    /// How often it was forgotten after its first review.
    pub lapses: i64,
    /// In how many days after the last review the probability of remembering falls to 0.9; none before the first.
    pub stability: Option<f64>,
    /// How hard it is for the learner, 1 to 10.
    pub difficulty: Option<f64>,
    /// How the last review went.
    pub last_rating: Option<Rating>,
    /// When that was.
    pub last_review_at: Option<DateTime<Utc>>,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// The cards of a learner in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All cards.
    pub cards: i64,
    /// Of them due.
    pub due: i64,
    /// Which fit of the scheduler's parameters schedules them; 0 for the usual ones.
    pub scheduler: i32,
}

/// The cards that are due at `now`, those that are due longest first, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn due(
    db: impl PgExecutor<'_>,
    learner: UserId,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Card>, sqlx::Error> {
    let rows: Vec<Json<Card>> = sqlx::query_scalar(
        "SELECT to_jsonb(c) FROM cards c WHERE learner_id = $1 AND due_at <= $2 ORDER BY due_at, card_id LIMIT $3",
    )
    .bind(learner.0)
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|Json(card)| card).collect())
}

/// How many cards a learner has, and how many of them are due at `now`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tally(db: impl PgExecutor<'_>, learner: UserId, now: DateTime<Utc>) -> Result<Tally, sqlx::Error> {
    let (cards, due, scheduler) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE due_at <= $2),
                coalesce((SELECT version FROM card_schedulers WHERE learner_id = $1), 0)
         FROM cards WHERE learner_id = $1",
    )
    .bind(learner.0)
    .bind(now)
    .fetch_one(db)
    .await?;
    Ok(Tally { cards, due, scheduler })
}

/// Learners whose cards were reviewed at least so often after their first review.
///
/// # Errors
/// When the database cannot be reached.
pub async fn learners(db: impl PgExecutor<'_>, reviews: i64) -> Result<Vec<UserId>, sqlx::Error> {
    let sql = "SELECT learner_id FROM cards GROUP BY learner_id HAVING sum(greatest(reviews - 1, 0)) >= $1
               ORDER BY learner_id";
    let rows: Vec<uuid::Uuid> = sqlx::query_scalar(sql).bind(reviews).fetch_all(db).await?;
    Ok(rows.into_iter().map(UserId).collect())
}

/// A card by its id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, card: CardId) -> Result<Option<Card>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(c) FROM cards c WHERE card_id = $1", card.0).await
}

/// Keeps `cards`.
pub struct Cards;

impl Projection for Cards {
    fn name(&self) -> &'static str {
        "cards"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["cards", "card_schedulers"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "cards", of: "learner_id = $1" },
            Personal::Rows { table: "card_schedulers", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Deck::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Deck(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    match change {
        Event::CardAdded { learner_id, card_id, front, origin, due_at } => {
            sqlx::query(
                "INSERT INTO cards (card_id, learner_id, front, origin, added_at, due_at, reviews, lapses, position)
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7)",
            )
            .bind(card_id.0)
            .bind(learner_id.0)
            .bind(Json(front))
            .bind(Json(origin))
            .bind(event.recorded_at)
            .bind(due_at)
            .bind(event.position)
            .execute(db)
            .await?;
        }
        Event::CardReviewed { card_id, rating, stability, difficulty, reviewed_at, due_at, .. } => {
            sqlx::query(
                "UPDATE cards
                 SET due_at = $2, reviews = reviews + 1,
                     lapses = lapses + CASE WHEN reviews > 0 AND $3 = 'again' THEN 1 ELSE 0 END,
                     stability = $4, difficulty = $5, last_rating = $3, last_review_at = $6, position = $7
                 WHERE card_id = $1",
            )
            .bind(card_id.0)
            .bind(due_at)
            .bind(rating.to_string())
            .bind(stability)
            .bind(difficulty)
            .bind(reviewed_at)
            .bind(event.position)
            .execute(db)
            .await?;
        }
        Event::SchedulerOptimized { learner_id, version, fit } => {
            sqlx::query(
                "INSERT INTO card_schedulers (learner_id, version, model_id, parameters, parameters_hash,
                                              input_position, fitted_at, position)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (learner_id) DO UPDATE
                 SET version = excluded.version, model_id = excluded.model_id, parameters = excluded.parameters,
                     parameters_hash = excluded.parameters_hash, input_position = excluded.input_position,
                     fitted_at = excluded.fitted_at, position = excluded.position",
            )
            .bind(learner_id.0)
            .bind(i32::try_from(*version).unwrap_or(i32::MAX))
            .bind(&fit.model_id)
            .bind(&fit.parameters)
            .bind(&fit.parameters_hash)
            .bind(fit.input_position)
            .bind(event.recorded_at)
            .bind(event.position)
            .execute(db)
            .await?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, front, in_a_world};
    use chrono::TimeDelta;

    #[tokio::test]
    async fn the_queue_holds_what_is_due_the_longest_due_first() {
        in_a_world(async |world| {
            world.add_card("cafe-w1", "2026-03-01T09:00:00Z").await;
            world.add_card("cafe-w2", "2026-03-01T08:00:00Z").await;
            world.project().await;
            let now = "2026-03-01T08:30:00Z".parse().expect("a moment");
            let fronts = |cards: Vec<Card>| cards.into_iter().map(|it| it.front).collect::<Vec<_>>();
            assert_eq!(fronts(due(&world.pool, LEARNER, now, 10).await.expect("a database")), [front("cafe-w2")]);
            let later = now + TimeDelta::hours(1);
            let all = fronts(due(&world.pool, LEARNER, later, 10).await.expect("a database"));
            assert_eq!(all, [front("cafe-w2"), front("cafe-w1")]);
            assert_eq!(due(&world.pool, LEARNER, later, 1).await.expect("a database").len(), 1);
            let tally = tally(&world.pool, LEARNER, now).await.expect("a database");
            assert_eq!(tally, Tally { cards: 2, due: 1, scheduler: 0 });
        })
        .await;
    }

    #[tokio::test]
    async fn a_review_moves_a_card_and_a_fit_is_known() {
        in_a_world(async |world| {
            world.add_card("cafe-w1", "2026-03-01T09:00:00Z").await;
            world.review_card("cafe-w1", 1, Rating::Good, "2026-03-01T09:00:00Z").await;
            let last = world.review_card("cafe-w1", 2, Rating::Again, "2026-03-05T09:00:00Z").await;
            world.fit_scheduler(last).await;
            world.project().await;
            let card_id = baeum_domain::review::deck::card_of(LEARNER, &front("cafe-w1"));
            let card = find(&world.pool, card_id).await.expect("a database").expect("a card");
            assert_eq!((card.reviews, card.lapses, card.last_rating), (2, 1, Some(Rating::Again)));
            assert_eq!((card.stability, card.difficulty, card.position), (Some(2.0), Some(5.0), last));
            assert_eq!(card.due_at, "2026-03-08T09:00:00Z".parse::<DateTime<Utc>>().expect("a moment"));
            assert_eq!(tally(&world.pool, LEARNER, card.due_at).await.expect("a database").scheduler, 1);
        })
        .await;
    }
}
