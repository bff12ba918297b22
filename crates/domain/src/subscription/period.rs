//! Billing periods: calendar spans in the subscriber's time zone.
//!
//! Every boundary is counted from the anchor, never from the boundary before it, so that the anchor's day is kept: from
//! 31 January monthly come 28 February and 31 March; from 29 February yearly come 28 February and, in leap years, the
//! 29th. The time of day is that of the anchor's local clock. Where clocks are put back and it occurs twice, the first
//! occurrence counts; where they are put forward and it does not occur, it is read with the offset before the gap, so
//! 02:30 becomes 03:30 (both as RFC 5545, section 3.3.5, has it).

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, Offset, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::locale::TimeZone;

/// A calendar unit that a plan is billed by.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Unit {
    /// Seven days.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// How long a period of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// How many units, 1 to 12.
    pub every: u8,
    /// Of what.
    pub unit: Unit,
}

impl Interval {
    /// Each month.
    pub const MONTHLY: Self = Self { every: 1, unit: Unit::Month };
    /// Each year.
    pub const YEARLY: Self = Self { every: 1, unit: Unit::Year };

    /// Whether it is one that can be billed.
    pub fn is_valid(self) -> bool {
        (1..=12).contains(&self.every)
    }
}

/// Whether `moment` lies in the years 2000 to 8999, for which the calendar here is computed.
pub fn in_calendar(moment: DateTime<Utc>) -> bool {
    (2000..9000).contains(&moment.year())
}

/// The boundary `count` intervals after `anchor`, in `zone`, or `None` beyond the calendar.
pub fn boundary(anchor: DateTime<Utc>, zone: &TimeZone, interval: Interval, count: u32) -> Option<DateTime<Utc>> {
    if count == 0 {
        return Some(anchor);
    }
    let units = u32::from(interval.every).checked_mul(count)?;
    let local = local(anchor, zone)?;
    let moved = match interval.unit {
        Unit::Week => local.checked_add_days(Days::new(u64::from(units) * 7))?,
        // Adding months keeps the day, or takes the last one of a month that is shorter.
        Unit::Month => local.checked_add_months(Months::new(units))?,
        Unit::Year => local.checked_add_months(Months::new(units.checked_mul(12)?))?,
    };
    moment(moved, zone)
}

/// `days` calendar days after `from`, at the same time of day in `zone`, or `None` beyond the calendar.
pub fn days_after(from: DateTime<Utc>, zone: &TimeZone, days: u32) -> Option<DateTime<Utc>> {
    if days == 0 {
        return Some(from);
    }
    moment(local(from, zone)?.checked_add_days(Days::new(days.into()))?, zone)
}

fn tz(zone: &TimeZone) -> Tz {
    zone.as_str().parse().expect("a time zone was parsed when it was made")
}

fn local(moment: DateTime<Utc>, zone: &TimeZone) -> Option<NaiveDateTime> {
    in_calendar(moment).then(|| moment.with_timezone(&tz(zone)).naive_local())
}

fn moment(local: NaiveDateTime, zone: &TimeZone) -> Option<DateTime<Utc>> {
    if !in_calendar(local.and_utc()) {
        return None;
    }
    let zone = tz(zone);
    if let Some(moment) = zone.from_local_datetime(&local).earliest() {
        return Some(moment.with_timezone(&Utc));
    }
    // The longest gap is a day: islands that moved across the date line left one out.
    let before = zone.from_local_datetime(&(local - TimeDelta::hours(25))).earliest()?;
    Some((local - before.offset().fix()).and_utc())
}

/// A span of a subscription: the trial (number 0), or what one bill is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    /// 0 for a trial; paid periods count from 1 and are never numbered twice.
    pub number: u32,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends: the first moment of the next one.
    pub ends_at: DateTime<Utc>,
    /// Seconds between the two for which the subscription was paused.
    pub paused_seconds: u64,
    /// The moment that boundaries are counted from.
    pub anchored_at: DateTime<Utc>,
    /// The number of the period that starts at that moment.
    pub anchored_number: u32,
}

impl Period {
    /// A trial of `days` calendar days, or `None` beyond the calendar.
    pub fn trial(from: DateTime<Utc>, zone: &TimeZone, days: u32) -> Option<Self> {
        let ends_at = days_after(from, zone, days)?;
        // What is paid is counted from the end of the trial.
        Some(Self { number: 0, starts_at: from, ends_at, paused_seconds: 0, anchored_at: ends_at, anchored_number: 1 })
    }

    /// A period with this number that starts at a new anchor, or `None` beyond the calendar.
    pub fn anchored(number: u32, at: DateTime<Utc>, zone: &TimeZone, interval: Interval) -> Option<Self> {
        let ends_at = boundary(at, zone, interval, 1)?;
        Some(Self { number, starts_at: at, ends_at, paused_seconds: 0, anchored_at: at, anchored_number: number })
    }

    /// The period after this one, from the same anchor, or `None` beyond the calendar.
    pub fn next(&self, zone: &TimeZone, interval: Interval) -> Option<Self> {
        let number = self.number.checked_add(1)?;
        let count = number.checked_sub(self.anchored_number)?.checked_add(1)?;
        let ends_at = boundary(self.anchored_at, zone, interval, count)?;
        Some(Self { number, starts_at: self.ends_at, ends_at, paused_seconds: 0, ..*self })
    }

    /// The period with its end put off by the time from `paused_at` to `at`; the next ones are counted from there.
    #[must_use]
    pub fn resumed(&self, paused_at: DateTime<Utc>, at: DateTime<Utc>) -> Self {
        let paused = (at - paused_at).max(TimeDelta::zero());
        let ends_at = self.ends_at + paused;
        Self {
            ends_at,
            paused_seconds: self.paused_seconds + seconds(paused),
            anchored_at: ends_at,
            anchored_number: self.number.saturating_add(1),
            ..*self
        }
    }

    /// Seconds of service in it, at least 1.
    pub fn seconds_all(&self) -> u64 {
        seconds(self.ends_at - self.starts_at).saturating_sub(self.paused_seconds).max(1)
    }

    /// Seconds from `at` to its end, at most all.
    pub fn seconds_left(&self, at: DateTime<Utc>) -> u64 {
        seconds(self.ends_at - at).min(self.seconds_all())
    }
}

fn seconds(span: TimeDelta) -> u64 {
    u64::try_from(span.num_seconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
