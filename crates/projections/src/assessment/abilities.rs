//! The ability of each learner over all their sittings, re-estimated with every answer that counts.
//!
//! Items are taken as the latest calibration has them, and as the catalogue does before the first. Answers are taken in
//! once, by what was known of their item then: a calibration changes what later answers say.

use std::sync::Arc;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::{
        assessment::{Assessment, Event},
        calibration::{AbilityBelief, AbilityFilter, ItemDemand},
        item_bank::{CalibratedItem, Event as BankEvent, ItemBank},
    },
    catalog::Catalog,
    ids::{ItemId, UserId},
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::{Models, Order, Personal, Projection, ProjectionError, row};

/// The ability of a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerAbility {
    /// Whose.
    pub learner_id: UserId,
    /// Ability in logits, as after the last answer.
    pub theta: f64,
    /// Its standard error then, in logits. It has grown since.
    pub standard_error: f64,
    /// Answers that count.
    pub answers: i64,
    /// Of them right.
    pub correct: i64,
    /// The calibration by which the last answer was taken in; 0 for the catalogue.
    pub calibration: i32,
    /// When that was.
    pub answered_at: DateTime<Utc>,
    /// Position of its event.
    pub position: i64,
}

/// The ability of a learner; `None` before the first answer that counts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<LearnerAbility>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(a) FROM abilities a WHERE learner_id = $1", learner.0).await
}

#[derive(FromRow)]
struct Known {
    theta: f64,
    standard_error: f64,
    skewness: f64,
    excess_kurtosis: f64,
    answered_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Calibrated {
    discrimination: f64,
    difficulty: f64,
    difficulty_error: f64,
    guessing: f64,
    calibration: i32,
}

/// Keeps `abilities`.
pub struct Abilities {
    filter: Arc<dyn AbilityFilter>,
    catalog: Arc<Catalog>,
}

impl Abilities {
    /// With the filter and catalogue of `models`.
    pub fn new(models: &Models) -> Self {
        Self { filter: models.abilities.clone(), catalog: models.catalog.clone() }
    }

    /// What an item asks, and which calibration says so; `None` for an item that nothing is known of.
    async fn demand(&self, db: &mut PgConnection, item: &ItemId) -> Result<Option<(ItemDemand, i32)>, sqlx::Error> {
        let row: Option<Calibrated> = sqlx::query_as(
            "SELECT discrimination, difficulty, difficulty_error, guessing, calibration FROM ability_items
             WHERE item = $1",
        )
        .bind(item.as_str())
        .fetch_optional(db)
        .await?;
        if let Some(Calibrated { discrimination, difficulty, difficulty_error, guessing, calibration }) = row {
            return Ok(Some((ItemDemand { discrimination, difficulty, difficulty_error, guessing }, calibration)));
        }
        let Some(entry) = self.catalog.items.get(item) else { return Ok(None) };
        let demand = ItemDemand {
            discrimination: entry.discrimination,
            difficulty: entry.difficulty,
            difficulty_error: 0.0,
            guessing: entry.guessing(),
        };
        Ok(Some((demand, 0)))
    }

    async fn answered(
        &self,
        db: &mut PgConnection,
        event: &Recorded<AnyEvent>,
        learner: UserId,
        item: &ItemId,
        correct: bool,
    ) -> Result<(), ProjectionError> {
        let Some((demand, calibration)) = self.demand(&mut *db, item).await? else { return Ok(()) };
        let known: Option<Known> = sqlx::query_as(
            "SELECT theta, standard_error, skewness, excess_kurtosis, answered_at FROM abilities WHERE learner_id = $1",
        )
        .bind(learner.0)
        .fetch_optional(&mut *db)
        .await?;
        let before = known.map_or_else(
            || self.filter.prior(),
            |it| {
                let Known { theta, standard_error, skewness, excess_kurtosis, answered_at } = it;
                let belief = AbilityBelief { theta, standard_error, skewness, excess_kurtosis };
                self.filter.drift(belief, days(answered_at, event.recorded_at))
            },
        );
        let after = self.filter.update(before, demand, correct);
        sqlx::query(
            "INSERT INTO abilities AS a
                 (learner_id, theta, standard_error, skewness, excess_kurtosis, answers, correct, calibration,
                  answered_at, position)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9)
             ON CONFLICT (learner_id) DO UPDATE
             SET theta = excluded.theta, standard_error = excluded.standard_error, skewness = excluded.skewness,
                 excess_kurtosis = excluded.excess_kurtosis, answers = a.answers + 1,
                 correct = a.correct + excluded.correct, calibration = excluded.calibration,
                 answered_at = excluded.answered_at, position = excluded.position",
        )
        .bind(learner.0)
        .bind(after.theta)
        .bind(after.standard_error)
        .bind(after.skewness)
        .bind(after.excess_kurtosis)
        .bind(i64::from(correct))
        .bind(calibration)
        .bind(event.recorded_at)
        .bind(event.position)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Days between two moments, by the whole second; 0 where the clock went back.
fn days(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    let seconds = (to - from).num_seconds().clamp(0, i64::from(u32::MAX));
    u32::try_from(seconds).map_or(0.0, f64::from) / 86_400.0
}

async fn calibrated(
    db: &mut PgConnection,
    version: i32,
    items: &[CalibratedItem],
    position: i64,
) -> Result<(), ProjectionError> {
    let column = |of: fn(&CalibratedItem) -> f64| items.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO ability_items
             (item, discrimination, difficulty, difficulty_error, guessing, calibration, position)
         SELECT item, discrimination, difficulty, difficulty_error, guessing, $6, $7
         FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::float8[])
              AS t (item, discrimination, difficulty, difficulty_error, guessing)
         ON CONFLICT (item) DO UPDATE
         SET discrimination = excluded.discrimination, difficulty = excluded.difficulty,
             difficulty_error = excluded.difficulty_error, guessing = excluded.guessing,
             calibration = excluded.calibration, position = excluded.position",
    )
    .bind(items.iter().map(|it| it.item.to_string()).collect::<Vec<_>>())
    .bind(column(|it| it.discrimination))
    .bind(column(|it| it.difficulty))
    .bind(column(|it| it.difficulty_error))
    .bind(column(|it| it.guessing))
    .bind(version)
    .bind(position)
    .execute(db)
    .await?;
    Ok(())
}

impl Projection for Abilities {
    fn name(&self) -> &'static str {
        "abilities"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["abilities", "ability_items"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "abilities", of: "learner_id = $1" }, Personal::OfNobody { table: "ability_items" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Assessment::AGGREGATE | ItemBank::AGGREGATE)
    }

    fn version(&self) -> u32 {
        2
    }

    /// A calibration stands between the answers of everybody.
    fn order(&self) -> Order {
        Order::Total
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                // An answer that does not count, to a pretest item, leaves the sitting's own estimate as it was, to the bit.
                AnyEvent::Assessment(Event::ItemAnswered { before, after, .. }) if before == after => Ok(()),
                AnyEvent::Assessment(Event::ItemAnswered { learner_id, item, correct, .. }) => {
                    self.answered(db, event, *learner_id, item, *correct).await
                }
                AnyEvent::ItemBank(BankEvent::ItemsCalibrated { version, calibration }) => {
                    let version = i32::try_from(*version).unwrap_or(i32::MAX);
                    calibrated(db, version, &calibration.items, event.position).await
                }
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, calibration, in_a_world};
    use baeum_domain::assessment::item_bank::Command;

    #[tokio::test]
    async fn an_ability_moves_with_the_answers_of_all_sittings() {
        in_a_world(async |world| {
            assert_eq!(find(&world.pool, LEARNER).await.expect("a database"), None);
            world.start_sitting(10, 9).await;
            world.answer(10, "one", true, "gone").await;
            world.answer(10, "gone", true, "two").await;
            world.start_sitting(11, 9).await;
            let last = world.answer(11, "one", false, "two").await - 1;
            world.project().await;
            let found = find(&world.pool, LEARNER).await.expect("a database").expect("an ability");
            assert_eq!((found.answers, found.correct, found.calibration, found.position), (2, 1, 0, last));
            assert_eq!((found.theta, found.standard_error), (-0.5, 0.25));
        })
        .await;
    }

    #[tokio::test]
    async fn a_calibration_changes_what_later_answers_say() {
        in_a_world(async |world| {
            world.start_sitting(10, 9).await;
            world.answer(10, "one", true, "two").await;
            world.execute_on::<ItemBank>("level-test", Command::Calibrate(calibration("two", 2.0, 1))).await;
            world.answer(10, "two", true, "one").await;
            world.project().await;
            let found = find(&world.pool, LEARNER).await.expect("a database").expect("an ability");
            // The test's filter moves by a half of the distance to what was asked, and by one half more.
            assert_eq!((found.theta, found.calibration, found.answers), (1.75, 1, 2));
        })
        .await;
    }
}
