//! Quiet hours: when a person is not to be disturbed, by the clock on their wall.
//!
//! Clocks are put forward and back. Where they jump over the end of quiet hours, these end where the clock goes on; where
//! they show it twice, the first time counts, unless that is over.

use std::{fmt, str::FromStr};

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::locale::TimeZone;

/// A time of the day by the clock on the wall, to the minute: `21:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct WallTime {
    minutes: u16,
}

/// Why a time of the day is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a time of the day: give hours and minutes, such as '07:30' or '22:00'")]
pub struct NotATime(String);

impl WallTime {
    /// The time at so many hours and minutes; hours past 23 and minutes past 59 wrap around.
    pub const fn new(hour: u16, minute: u16) -> Self {
        Self { minutes: (hour % 24) * 60 + minute % 60 }
    }

    fn naive(self) -> NaiveTime {
        NaiveTime::MIN + TimeDelta::minutes(self.minutes.into())
    }

    fn of(time: NaiveTime) -> u32 {
        time.num_seconds_from_midnight()
    }

    fn seconds(self) -> u32 {
        u32::from(self.minutes) * 60
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for WallTime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let number = |part: &str, below: u16| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u16>().ok().filter(|it| digits && *it < below)
        };
        let parts = text.split_once(':').and_then(|(h, m)| number(h, 24).zip(number(m, 60)));
        parts.map(|(hour, minute)| Self::new(hour, minute)).ok_or_else(|| NotATime(text.chars().take(20).collect()))
    }
}

impl TryFrom<String> for WallTime {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

impl From<WallTime> for String {
    fn from(time: WallTime) -> Self {
        time.to_string()
    }
}

/// The hours from `from` until before `to`; over midnight where `from` is later than `to`. They are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuietHours {
    /// When quiet begins.
    pub from: WallTime,
    /// When it ends.
    pub to: WallTime,
}

impl Default for QuietHours {
    /// From nine in the evening to eight in the morning: the hours in which Korean law wants to be asked before somebody
    /// is sent anything.
    fn default() -> Self {
        Self { from: WallTime::new(21, 0), to: WallTime::new(8, 0) }
    }
}

impl QuietHours {
    /// Whether it is quiet at this time.
    fn holds(self, time: NaiveTime) -> bool {
        let (from, to, at) = (self.from.seconds(), self.to.seconds(), WallTime::of(time));
        if from < to { (from..to).contains(&at) } else { at >= from || at < to }
    }
}

/// The first moment, not before `wanted`, at which a person in `zone` may be disturbed: `wanted` itself where it is not
/// quiet, else the end of the quiet hours that it falls into.
pub fn next_permitted(quiet: Option<QuietHours>, zone: &TimeZone, wanted: DateTime<Utc>) -> DateTime<Utc> {
    let Some(quiet) = quiet else { return wanted };
    let local = wanted.with_timezone(&zone.tz()).naive_local();
    if !quiet.holds(local.time()) {
        return wanted;
    }
    let over_midnight = WallTime::of(local.time()) >= quiet.to.seconds();
    let Some(day) = (if over_midnight { local.date().succ_opt() } else { Some(local.date()) }) else { return wanted };
    let end = resolve(zone, day.and_time(quiet.to.naive()), Some(wanted));
    // Clocks that jump over the end may land in the next quiet hours.
    if end > wanted && quiet.holds(end.with_timezone(&zone.tz()).time()) {
        return next_permitted(Some(quiet), zone, end);
    }
    end
}

/// The moment at which the clocks in `zone` show `time` on `date`: the first one where they show it twice, and the moment
/// at which they go on where they jump over it.
pub fn local_moment(zone: &TimeZone, date: NaiveDate, time: WallTime) -> DateTime<Utc> {
    resolve(zone, date.and_time(time.naive()), None)
}

fn resolve(zone: &TimeZone, local: NaiveDateTime, after: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let tz = zone.tz();
    // The longest jump there was is a whole day: Samoa left out 30 December 2011.
    for minute in 0..=25 * 60 {
        match tz.from_local_datetime(&(local + TimeDelta::minutes(minute))) {
            MappedLocalTime::None => {}
            MappedLocalTime::Single(moment) => return moment.to_utc(),
            MappedLocalTime::Ambiguous(first, second) => {
                let first = first.to_utc();
                return if after.is_some_and(|after| first <= after) { second.to_utc() } else { first };
            }
        }
    }
    local.and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quiet(from: &str, to: &str) -> QuietHours {
        QuietHours { from: from.parse().expect("a time"), to: to.parse().expect("a time") }
    }

    fn zone(name: &str) -> TimeZone {
        name.parse().expect("a zone")
    }

    #[test]
    fn what_falls_into_quiet_hours_waits_for_their_end_by_the_clock_on_the_wall() {
        let table = [
            // Zone, quiet from, to, wanted, permitted.
            ("Asia/Seoul", "21:00", "08:00", "2026-03-01T11:59:59Z", "2026-03-01T11:59:59Z"),
            ("Asia/Seoul", "21:00", "08:00", "2026-03-01T12:00:00Z", "2026-03-01T23:00:00Z"),
            ("Asia/Seoul", "21:00", "08:00", "2026-03-01T22:59:59Z", "2026-03-01T23:00:00Z"),
            ("Asia/Seoul", "21:00", "08:00", "2026-03-01T23:00:00Z", "2026-03-01T23:00:00Z"),
            // Within one day.
            ("UTC", "12:00", "13:30", "2026-03-01T12:10:30Z", "2026-03-01T13:30:00Z"),
            // The night in which Paris goes over to summer time is an hour shorter, the other an hour longer.
            ("Europe/Paris", "22:00", "07:00", "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"),
            ("Europe/Paris", "22:00", "07:00", "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"),
            // 02:30 is jumped over: quiet ends at 03:00 summer time.
            ("Europe/Paris", "22:00", "02:30", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
            // 02:30 comes twice: the first counts, unless it is over.
            ("Europe/Paris", "22:00", "02:30", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"),
            ("Europe/Paris", "22:00", "02:30", "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"),
            // Lord Howe Island puts its clocks forward by half an hour, at 02:00.
            ("Australia/Lord_Howe", "22:00", "02:15", "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
            // Samoa left a whole day out.
            ("Pacific/Apia", "22:00", "07:00", "2011-12-30T09:00:00Z", "2011-12-30T17:00:00Z"),
        ];
        for (name, from, to, wanted, permitted) in table {
            let wanted: DateTime<Utc> = wanted.parse().expect("a moment");
            let found = next_permitted(Some(quiet(from, to)), &zone(name), wanted);
            assert_eq!(found, permitted.parse::<DateTime<Utc>>().expect("a moment"), "{name} {from}-{to} at {wanted}");
        }
    }

    #[test]
    fn without_quiet_hours_any_moment_will_do() {
        let wanted = "2026-03-01T18:00:00Z".parse().expect("a moment");
        assert_eq!(next_permitted(None, &zone("Asia/Seoul"), wanted), wanted);
    }

    #[test]
    fn a_local_time_that_is_jumped_over_is_where_the_clock_goes_on() {
        let date = "2026-03-29".parse().expect("a date");
        let found = local_moment(&zone("Europe/Paris"), date, WallTime::new(2, 30));
        assert_eq!(found, "2026-03-29T01:00:00Z".parse::<DateTime<Utc>>().expect("a moment"));
    }

    #[test]
    fn times_are_hours_and_minutes() {
        assert_eq!("07:30".parse::<WallTime>().expect("a time").to_string(), "07:30");
        for wrong in ["7:30", "24:00", "12:60", "12", "12:00:00", "+1:00", ""] {
            assert!(wrong.parse::<WallTime>().is_err(), "{wrong} must be refused");
        }
    }

    proptest! {
        #[test]
        fn the_permitted_moment_is_the_next_that_is_not_quiet(
            from in 0_u16..1440, to in 0_u16..1440, seconds in 1_700_000_000_i64..1_900_000_000,
            name in prop::sample::select(vec![
                "Asia/Seoul", "UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/St_Johns",
                "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca",
            ]),
        ) {
            prop_assume!(from != to);
            let hours = QuietHours { from: WallTime::new(from / 60, from % 60), to: WallTime::new(to / 60, to % 60) };
            let zone = zone(name);
            let wanted = DateTime::from_timestamp(seconds, 0).expect("a moment");
            let found = next_permitted(Some(hours), &zone, wanted);
            let quiet_at = |at: DateTime<Utc>| hours.holds(at.with_timezone(&zone.tz()).time());
            prop_assert!(found >= wanted && found - wanted <= TimeDelta::hours(49));
            prop_assert!(!quiet_at(found), "quiet at {found}");
            prop_assert_eq!(found == wanted, !quiet_at(wanted));
            // Asking again changes nothing.
            prop_assert_eq!(next_permitted(Some(hours), &zone, found), found);
        }
    }
}
