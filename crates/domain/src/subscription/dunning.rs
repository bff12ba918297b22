//! Dunning: when a charge that failed is tried again, and when service that is not paid ends.
//!
//! The days count on the subscriber's calendar and clock. With `[1, 3, 5, 7]` a charge is tried when its invoice is due and
//! 1, 3, 5 and 7 days later. Service ends on the last day, counted from where it was no longer paid: it comes back when
//! that attempt succeeds, and the subscription is cancelled when it fails.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::days_after;
use crate::identity::locale::TimeZone;

/// On which days after an invoice is due its charge is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
#[schemars(with = "Vec<u8>")]
pub struct Dunning {
    days: Vec<u8>,
}

/// Why a schedule is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no dunning schedule: give 1 to 10 ascending days between 1 and 60, such as 1, 3, 5, 7")]
pub struct NotASchedule(pub Vec<u8>);

impl Dunning {
    /// A schedule of these days.
    ///
    /// # Errors
    /// When they are none, too many, out of range or not ascending.
    pub fn new(days: Vec<u8>) -> Result<Self, NotASchedule> {
        let ascending = days.windows(2).all(|pair| pair[0] < pair[1]);
        let ranged = days.iter().all(|day| (1..=60).contains(day));
        if (1..=10).contains(&days.len()) && ascending && ranged { Ok(Self { days }) } else { Err(NotASchedule(days)) }
    }

    /// The moments at which an invoice due at `due_at` is charged, the first at once, or `None` beyond the calendar.
    pub fn attempts(&self, due_at: DateTime<Utc>, zone: &TimeZone) -> Option<Vec<DateTime<Utc>>> {
        let days = [0].into_iter().chain(self.days.iter().copied());
        days.map(|days| days_after(due_at, zone, days.into())).collect()
    }

    /// When service ends that is not paid from `unpaid_from` on, or `None` beyond the calendar.
    pub fn ends_at(&self, unpaid_from: DateTime<Utc>, zone: &TimeZone) -> Option<DateTime<Utc>> {
        days_after(unpaid_from, zone, self.days.last().copied().unwrap_or(0).into())
    }
}

impl Default for Dunning {
    fn default() -> Self {
        Self { days: vec![1, 3, 5, 7] }
    }
}

impl TryFrom<Vec<u8>> for Dunning {
    type Error = NotASchedule;
    fn try_from(days: Vec<u8>) -> Result<Self, NotASchedule> {
        Self::new(days)
    }
}

impl From<Dunning> for Vec<u8> {
    fn from(dunning: Dunning) -> Self {
        dunning.days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_tried_when_due_and_then_on_each_day_of_the_schedule() {
        // Clocks in New York go forward on 8 March 2026: the local time of day is kept.
        let zone = "America/New_York".parse().expect("a time zone");
        let due = "2026-03-06T14:00:00Z".parse().expect("a moment");
        let attempts = Dunning::default().attempts(due, &zone).expect("in the calendar");
        let texts: Vec<_> = attempts.iter().map(|it| it.format("%dT%H").to_string()).collect();
        assert_eq!(texts, ["06T14", "07T14", "09T13", "11T13", "13T13"]);
        assert_eq!(Dunning::default().ends_at(due, &zone), attempts.last().copied());
    }

    #[test]
    fn days_must_ascend_and_be_some() {
        for wrong in [vec![], vec![3, 1], vec![1, 1], vec![0], vec![61], (1..=11).collect()] {
            assert!(Dunning::new(wrong.clone()).is_err(), "{wrong:?} must be refused");
        }
        assert!(serde_json::from_str::<Dunning>("[7,1]").is_err());
    }
}
