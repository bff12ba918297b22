//! The calibrations of the items of the level test.
//!
//! Life cycle: one stream; each calibration replaces the one before. Invariants: a later calibration rests on no less of
//! the log than the one before; parameters lie in the ranges of the catalogue. The parameters are in the event, so a
//! replay calibrates nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::ItemId,
};

/// The id of the one stream.
pub const ITEM_BANK: &str = "level-test";
/// Discriminations that an item may have.
pub const DISCRIMINATIONS: (f64, f64) = (0.2, 3.0);
/// Difficulties that an item may have, in logits.
pub const DIFFICULTIES: (f64, f64) = (-4.0, 4.0);

/// An item as a calibration found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedItem {
    /// The item.
    pub item: ItemId,
    /// Discrimination *a*, 0.2 to 3.
    pub discrimination: f64,
    /// Its standard error, above 0.
    pub discrimination_error: f64,
    /// Difficulty *b* in logits of the catalogue's scale, −4 to 4.
    pub difficulty: f64,
    /// Its standard error in logits, above 0.
    pub difficulty_error: f64,
    /// Guessing *c*: the probability that someone who knows nothing is right, 0 to below 1.
    pub guessing: f64,
    /// How many answers it rests on.
    pub answers: u32,
}

impl CalibratedItem {
    fn is_sound(&self) -> bool {
        let within = |value: f64, (least, most): (f64, f64)| (least..=most).contains(&value);
        let error = |value: f64| value > 0.0 && value.is_finite();
        within(self.discrimination, DISCRIMINATIONS)
            && within(self.difficulty, DIFFICULTIES)
            && (0.0..1.0).contains(&self.guessing)
            && error(self.discrimination_error)
            && error(self.difficulty_error)
    }
}

/// A calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Position of the last event of the log that it rests on.
    pub input_position: i64,
    /// The name of the model and procedure, with its version.
    pub model_id: String,
    /// SHA-256 of the parameters of every item, lower-case hexadecimal.
    pub parameters_hash: String,
    /// How many learners' answers it rests on.
    pub learners: u32,
    /// The items, in the order of their names. Those that are not here keep what they had.
    pub items: Vec<CalibratedItem>,
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Items were calibrated from the answers of the log. Beliefs about them begin anew from here.
    ItemsCalibrated {
        /// Which calibration it is, from 1.
        version: u32,
        /// What was found.
        calibration: Calibration,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The bank, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemBank {
    /// How many calibrations there were.
    pub version: u32,
    /// Where the latest one's input ended.
    pub input_position: i64,
    /// The hash of its parameters.
    pub parameters_hash: String,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take a calibration for true.
    Calibrate(Calibration),
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It says nothing.
    #[error("the calibration has no items: calibrate once there are answers")]
    NoItems,
    /// A later one is there.
    #[error("the calibration rests on the log up to position {given}, and one up to {known} is there: calibrate again")]
    Stale {
        /// Where its input ends.
        given: i64,
        /// Where that of the latest one ends.
        known: i64,
    },
    /// A parameter is none.
    #[error("item {0} has a parameter or an error out of range: discriminations are 0.2 to 3, difficulties −4 to 4")]
    OutOfRange(ItemId),
}

impl Decider for ItemBank {
    const AGGREGATE: &'static str = "item_bank";
    const CONTEXT: &'static str = "assessment";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Calibrate(calibration) = command;
        if self.version > 0
            && calibration.input_position == self.input_position
            && calibration.parameters_hash == self.parameters_hash
        {
            return Ok(vec![]);
        }
        if calibration.items.is_empty() {
            return Err(Error::NoItems);
        }
        if calibration.input_position < self.input_position {
            return Err(Error::Stale { given: calibration.input_position, known: self.input_position });
        }
        if let Some(wrong) = calibration.items.iter().find(|item| !item.is_sound()) {
            return Err(Error::OutOfRange(wrong.item.clone()));
        }
        Ok(vec![Event::ItemsCalibrated { version: self.version + 1, calibration }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ItemsCalibrated { version, calibration } => {
                self.version = *version;
                self.input_position = calibration.input_position;
                self.parameters_hash.clone_from(&calibration.parameters_hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    fn calibration(input_position: i64, difficulty: f64) -> Calibration {
        let item = CalibratedItem {
            item: "one".parse().expect("an item id"),
            discrimination: 1.2,
            discrimination_error: 0.1,
            difficulty,
            difficulty_error: 0.2,
            guessing: 0.25,
            answers: 300,
        };
        Calibration {
            input_position,
            model_id: "test".into(),
            parameters_hash: difficulty.to_string(),
            learners: 300,
            items: vec![item],
        }
    }

    fn calibrated(version: u32, input_position: i64, difficulty: f64) -> Event {
        Event::ItemsCalibrated { version, calibration: calibration(input_position, difficulty) }
    }

    #[test]
    fn calibrations_are_counted() {
        given::<ItemBank>([]).when(Command::Calibrate(calibration(10, 0.5))).then([calibrated(1, 10, 0.5)]);
        given::<ItemBank>([calibrated(1, 10, 0.5)])
            .when(Command::Calibrate(calibration(20, 0.6)))
            .then([calibrated(2, 20, 0.6)]);
    }

    #[test]
    fn the_same_calibration_is_not_recorded_again() {
        given::<ItemBank>([calibrated(1, 10, 0.5)]).when(Command::Calibrate(calibration(10, 0.5))).then([]);
    }

    #[test]
    fn what_rests_on_less_of_the_log_is_refused() {
        given::<ItemBank>([calibrated(1, 10, 0.5)])
            .when(Command::Calibrate(calibration(9, 0.6)))
            .then_refused("up to 10 is there");
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        for wrong in [f64::NAN, 4.1, f64::NEG_INFINITY] {
            given::<ItemBank>([]).when(Command::Calibrate(calibration(10, wrong))).then_refused("item one");
        }
        let empty = Calibration { items: vec![], ..calibration(10, 0.5) };
        given::<ItemBank>([]).when(Command::Calibrate(empty)).then_refused("no items");
    }
}
