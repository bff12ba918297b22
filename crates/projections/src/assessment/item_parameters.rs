//! What the items of the level test turned out to be, re-estimated from every answer.

use std::{collections::BTreeMap, sync::Arc};

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::{
        assessment::{Assessment, Event},
        calibration::{ItemBelief, ItemCalibrator},
        item::Item,
        item_bank::{CalibratedItem, Event as BankEvent, ItemBank},
        testing::Ability,
    },
    catalog::Catalog,
    ids::ItemId,
};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

use crate::{Models, Order, Personal, Projection, ProjectionError};

/// The parameters of an item under the three-parameter logistic model, as they are believed to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemParameter {
    /// The item.
    pub item: ItemId,
    /// Discrimination, above 0: the exponential of the mean of its logarithm.
    pub discrimination: f64,
    /// Standard error of the discrimination (delta method).
    pub discrimination_error: f64,
    /// Difficulty, in logits.
    pub difficulty: f64,
    /// Standard error of the difficulty, in logits.
    pub difficulty_error: f64,
    /// The discrimination that the estimation began with, from the catalogue.
    pub prior_discrimination: f64,
    /// The difficulty that it began with, in logits.
    pub prior_difficulty: f64,
    /// The calibration that the belief began anew with; 0 for the catalogue.
    pub calibration: i32,
    /// Answers taken in.
    pub responses: i64,
    /// Of them right.
    pub correct: i64,
    /// Position of the last event that changed this row, 0 for an item that nobody has answered.
    pub position: i64,
}

/// The parameters of an item; `None` for an item that is not in the catalogue.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(pool: &PgPool, models: &Models, item: &ItemId) -> Result<Option<ItemParameter>, sqlx::Error> {
    let Some(entry) = models.catalog.items.get(item) else { return Ok(None) };
    let row: Option<Row> =
        sqlx::query_as(&format!("{SELECT} WHERE item = $1")).bind(item.as_str()).fetch_optional(pool).await?;
    let row = row.unwrap_or_else(|| Row::prior(models.calibrator.as_ref(), entry));
    Ok(Some(row.parameter(entry.id.clone())))
}

/// The parameters of every item of the catalogue, by their names.
///
/// # Errors
/// When the database cannot be reached.
pub async fn all(pool: &PgPool, models: &Models) -> Result<Vec<ItemParameter>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(SELECT).fetch_all(pool).await?;
    let mut rows: BTreeMap<String, Row> = rows.into_iter().map(|row| (row.item.clone(), row)).collect();
    let of = |entry: &Item| {
        let row = rows.remove(entry.id.as_str()).unwrap_or_else(|| Row::prior(models.calibrator.as_ref(), entry));
        row.parameter(entry.id.clone())
    };
    Ok(models.catalog.items.values().map(of).collect())
}

const SELECT: &str = "SELECT item, prior_discrimination, prior_difficulty, log_discrimination, difficulty,
                             var_log_discrimination, var_difficulty, covariance, guessing, calibration, responses,
                             correct, position
                      FROM item_parameters";

#[derive(FromRow)]
struct Row {
    item: String,
    prior_discrimination: f64,
    prior_difficulty: f64,
    log_discrimination: f64,
    difficulty: f64,
    var_log_discrimination: f64,
    var_difficulty: f64,
    covariance: f64,
    /// As calibrated; none for the catalogue's.
    guessing: Option<f64>,
    calibration: i32,
    responses: i64,
    correct: i64,
    position: i64,
}

impl Row {
    fn prior(calibrator: &dyn ItemCalibrator, item: &Item) -> Self {
        let belief = calibrator.prior(item.discrimination, item.difficulty);
        let mut row = Self {
            item: item.id.to_string(),
            prior_discrimination: item.discrimination,
            prior_difficulty: item.difficulty,
            log_discrimination: 0.0,
            difficulty: 0.0,
            var_log_discrimination: 0.0,
            var_difficulty: 0.0,
            covariance: 0.0,
            guessing: None,
            calibration: 0,
            responses: 0,
            correct: 0,
            position: 0,
        };
        row.believe(belief);
        row
    }

    fn belief(&self) -> ItemBelief {
        ItemBelief {
            log_discrimination: self.log_discrimination,
            difficulty: self.difficulty,
            var_log_discrimination: self.var_log_discrimination,
            var_difficulty: self.var_difficulty,
            covariance: self.covariance,
        }
    }

    fn believe(&mut self, belief: ItemBelief) {
        self.log_discrimination = belief.log_discrimination;
        self.difficulty = belief.difficulty;
        self.var_log_discrimination = belief.var_log_discrimination;
        self.var_difficulty = belief.var_difficulty;
        self.covariance = belief.covariance;
    }

    async fn write(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO item_parameters (item, prior_discrimination, prior_difficulty, log_discrimination, difficulty,
                                          var_log_discrimination, var_difficulty, covariance, guessing, calibration,
                                          responses, correct, position)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (item) DO UPDATE
             SET log_discrimination = excluded.log_discrimination, difficulty = excluded.difficulty,
                 var_log_discrimination = excluded.var_log_discrimination, var_difficulty = excluded.var_difficulty,
                 covariance = excluded.covariance, guessing = excluded.guessing, calibration = excluded.calibration,
                 responses = excluded.responses, correct = excluded.correct, position = excluded.position",
        )
        .bind(&self.item)
        .bind(self.prior_discrimination)
        .bind(self.prior_difficulty)
        .bind(self.log_discrimination)
        .bind(self.difficulty)
        .bind(self.var_log_discrimination)
        .bind(self.var_difficulty)
        .bind(self.covariance)
        .bind(self.guessing)
        .bind(self.calibration)
        .bind(self.responses)
        .bind(self.correct)
        .bind(self.position)
        .execute(db)
        .await?;
        Ok(())
    }

    fn parameter(&self, item: ItemId) -> ItemParameter {
        let discrimination = self.log_discrimination.exp();
        ItemParameter {
            item,
            discrimination,
            discrimination_error: discrimination * self.var_log_discrimination.max(0.0).sqrt(),
            difficulty: self.difficulty,
            difficulty_error: self.var_difficulty.max(0.0).sqrt(),
            prior_discrimination: self.prior_discrimination,
            prior_difficulty: self.prior_difficulty,
            calibration: self.calibration,
            responses: self.responses,
            correct: self.correct,
            position: self.position,
        }
    }
}

/// Keeps `item_parameters`.
pub struct ItemParameters {
    calibrator: Arc<dyn ItemCalibrator>,
    catalog: Arc<Catalog>,
}

impl ItemParameters {
    /// With the calibrator and catalogue of `models`.
    pub fn new(models: &Models) -> Self {
        Self { calibrator: models.calibrator.clone(), catalog: models.catalog.clone() }
    }

    async fn answered(
        &self,
        db: &mut PgConnection,
        item: &ItemId,
        before: Ability,
        correct: bool,
        position: i64,
    ) -> Result<(), ProjectionError> {
        // An item that has left the catalogue is not asked any more, so nothing needs to be known of it.
        let Some(entry) = self.catalog.items.get(item) else { return Ok(()) };
        let mut row = self.row(db, entry).await?;
        let guessing = row.guessing.unwrap_or_else(|| entry.guessing());
        row.believe(self.calibrator.update(row.belief(), guessing, before, correct));
        row.responses += 1;
        row.correct += i64::from(correct);
        row.position = position;
        Ok(row.write(db).await?)
    }

    /// Beliefs begin anew from a calibration.
    async fn calibrated(
        &self,
        db: &mut PgConnection,
        version: u32,
        items: &[CalibratedItem],
        position: i64,
    ) -> Result<(), ProjectionError> {
        for item in items {
            let Some(entry) = self.catalog.items.get(&item.item) else { continue };
            let mut row = self.row(db, entry).await?;
            // The delta method: the variance of a logarithm is that of what it is of, over its square.
            let error = item.discrimination_error / item.discrimination;
            row.believe(ItemBelief {
                var_log_discrimination: error * error,
                var_difficulty: item.difficulty_error * item.difficulty_error,
                ..self.calibrator.prior(item.discrimination, item.difficulty)
            });
            row.guessing = Some(item.guessing);
            row.calibration = i32::try_from(version).unwrap_or(i32::MAX);
            row.position = position;
            row.write(db).await?;
        }
        Ok(())
    }

    async fn row(&self, db: &mut PgConnection, entry: &Item) -> Result<Row, sqlx::Error> {
        let row: Option<Row> =
            sqlx::query_as(&format!("{SELECT} WHERE item = $1")).bind(entry.id.as_str()).fetch_optional(db).await?;
        Ok(row.unwrap_or_else(|| Row::prior(self.calibrator.as_ref(), entry)))
    }
}

impl Projection for ItemParameters {
    fn name(&self) -> &'static str {
        "item_parameters"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["item_parameters"]
    }

    fn personal(&self) -> &'static [Personal] {
        // Many people's answers went into each row, and none can be told from it.
        &[Personal::Anonymous { table: "item_parameters" }]
    }

    /// 2: answers are taken for guessed ones too. 3: calibrations.
    fn version(&self) -> u32 {
        3
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Assessment::AGGREGATE | ItemBank::AGGREGATE)
    }

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
                AnyEvent::Assessment(Event::ItemAnswered { item, before, correct, .. }) => {
                    self.answered(db, item, *before, *correct, event.position).await
                }
                AnyEvent::ItemBank(BankEvent::ItemsCalibrated { version, calibration }) => {
                    self.calibrated(db, *version, &calibration.items, event.position).await
                }
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{calibration, in_a_world};
    use baeum_domain::assessment::item_bank::Command;

    fn item(name: &str) -> ItemId {
        name.parse().expect("a valid item id")
    }

    #[tokio::test]
    async fn an_item_moves_with_its_answers_and_others_keep_their_prior() {
        in_a_world(async |world| {
            world.start_sitting(10, 9).await;
            world.answer(10, "one", true, "gone").await;
            world.answer(10, "gone", true, "two").await;
            world.start_sitting(11, 9).await;
            let last = world.answer(11, "one", true, "two").await - 1;
            world.project().await;
            let one = find(&world.pool, &world.models, &item("one")).await.expect("a database").expect("an item");
            assert_eq!((one.difficulty, one.difficulty_error), (-1.0, 0.4));
            assert_eq!((one.prior_difficulty, one.prior_discrimination), (-0.5, 1.5));
            assert!((one.discrimination - 1.5).abs() < 1e-12 && (one.discrimination_error - 0.3).abs() < 1e-12);
            assert_eq!((one.responses, one.correct, one.position), (2, 2, last));
            let two = find(&world.pool, &world.models, &item("two")).await.expect("a database").expect("an item");
            assert_eq!((two.difficulty, two.difficulty_error), (-0.5, 0.5));
            assert_eq!((two.responses, two.position), (0, 0));
            assert_eq!(find(&world.pool, &world.models, &item("gone")).await.expect("a database"), None);
            assert_eq!(all(&world.pool, &world.models).await.expect("a database"), [one, two]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_calibration_is_begun_anew_from_and_counts_stay() {
        in_a_world(async |world| {
            world.start_sitting(10, 9).await;
            world.answer(10, "one", true, "two").await;
            let calibration = Command::Calibrate(calibration("one", 1.0, 1));
            let at = world.execute_on::<ItemBank>("level-test", calibration).await;
            world.project().await;
            let one = find(&world.pool, &world.models, &item("one")).await.expect("a database").expect("an item");
            assert_eq!((one.difficulty, one.difficulty_error, one.calibration), (1.0, 0.1, 1));
            assert!((one.discrimination - 2.0).abs() < 1e-12 && (one.discrimination_error - 0.2).abs() < 1e-12);
            assert_eq!((one.responses, one.prior_difficulty, one.position), (1, -0.5, at));
            let two = find(&world.pool, &world.models, &item("two")).await.expect("a database").expect("an item");
            assert_eq!((two.difficulty, two.calibration), (-0.5, 0));
        })
        .await;
    }
}
