//! Proration: what a change of plan within a period costs, by the second.
//!
//! Two rules, both in whole minor units, to the nearest, a half away from zero:
//!
//! - *credit* = what the present plan costs for the period, discount taken off, × seconds left ÷ seconds of the period;
//! - *charge* = what the new plan costs for the period, × the same fraction where the period goes on, or its whole price
//!   where the new plan has another interval and a new period begins.
//!
//! Each is rounded on its own, because each is a line of the bill. `docs/proration.md` has cases with their working.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bill::Line, period::Period, plan::PlanTerms};
use crate::money::{Money, MoneyError};

/// What a change of plan costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proration {
    /// Seconds left of the period.
    pub seconds_left: u64,
    /// Seconds of the whole period, without pauses.
    pub seconds_all: u64,
    /// What is given back of the present plan, not negative.
    pub credit: Money,
    /// What the new plan costs, not negative.
    pub charge: Money,
}

impl Proration {
    /// Of a change at `at` within `period` that goes on: what the two plans cost for all of it is `present` and `new`.
    ///
    /// # Errors
    /// Two currencies.
    pub fn within(period: &Period, at: DateTime<Utc>, present: Money, new: Money) -> Result<Self, MoneyError> {
        let restarted = Self::restarting(period, at, present, new)?;
        Ok(Self { charge: new.portion(restarted.seconds_left, restarted.seconds_all), ..restarted })
    }

    /// Of a change at `at` within `period` that ends there, because a new period begins that costs `new`.
    ///
    /// # Errors
    /// Two currencies.
    pub fn restarting(period: &Period, at: DateTime<Utc>, present: Money, new: Money) -> Result<Self, MoneyError> {
        new.minus(present)?;
        let (seconds_left, seconds_all) = (period.seconds_left(at), period.seconds_all());
        Ok(Self { seconds_left, seconds_all, credit: present.portion(seconds_left, seconds_all), charge: new })
    }

    /// Charge less credit: what is to be paid, or negative, what is credited.
    ///
    /// # Errors
    /// Out of range.
    pub fn net(&self) -> Result<Money, MoneyError> {
        self.charge.minus(self.credit)
    }
}

/// What a subscriber is shown before they confirm a change of plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The moment that it is computed for.
    pub shown_at: DateTime<Utc>,
    /// Until when it can be confirmed.
    pub valid_until: DateTime<Utc>,
    /// The new plan.
    pub terms: PlanTerms,
    /// The period after the change.
    pub period: Period,
    /// How the amounts came about; `None` where nothing is paid yet, in a trial.
    pub proration: Option<Proration>,
    /// The lines of the bill.
    pub lines: Vec<Line>,
    /// What the change costs, before account credit; negative where it gives credit. To be confirmed.
    pub net: Money,
    /// What is taken from the account credit.
    pub credit_applied: Money,
    /// What is to be paid at once.
    pub total: Money,
}
