use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    name.parse().expect("a time zone")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

/// The first `count` boundaries after `anchor`, as local dates.
fn dates(anchor: &str, name: &str, interval: Interval, count: u32) -> Vec<String> {
    let boundaries = (1..=count).map(|n| boundary(at(anchor), &zone(name), interval, n).expect("in the calendar"));
    boundaries.map(|it| zone(name).local_date(it).to_string()).collect()
}

#[test]
fn the_anchor_day_is_kept_over_short_months() {
    let found = dates("2026-01-31T00:00:00Z", "UTC", Interval::MONTHLY, 4);
    assert_eq!(found, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
    let leap = dates("2028-01-30T00:00:00Z", "UTC", Interval::MONTHLY, 2);
    assert_eq!(leap, ["2028-02-29", "2028-03-30"]);
    let quarters = dates("2026-11-30T00:00:00Z", "UTC", Interval { every: 3, unit: Unit::Month }, 2);
    assert_eq!(quarters, ["2027-02-28", "2027-05-30"]);
}

#[test]
fn a_leap_day_comes_back_in_leap_years() {
    let found = dates("2024-02-29T12:00:00Z", "UTC", Interval::YEARLY, 4);
    assert_eq!(found, ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
}

#[test]
fn the_day_is_that_of_the_subscribers_zone() {
    // 16:00 UTC on 30 January is 01:00 on the 31st in Seoul; the 28th of February at 01:00 there is the 27th here.
    let found = boundary(at("2026-01-30T16:00:00Z"), &zone("Asia/Seoul"), Interval::MONTHLY, 1);
    assert_eq!(found, Some(at("2026-02-27T16:00:00Z")));
}

#[test]
fn the_local_time_of_day_is_kept_when_clocks_change() {
    // New York is at -5 until 8 March 2026, then at -4: a month of 31 days has an hour less than 744.
    let end = boundary(at("2026-02-20T14:00:00Z"), &zone("America/New_York"), Interval::MONTHLY, 1);
    assert_eq!(end, Some(at("2026-03-20T13:00:00Z")));
    let autumn = boundary(at("2026-10-20T13:00:00Z"), &zone("America/New_York"), Interval::MONTHLY, 1);
    assert_eq!(autumn, Some(at("2026-11-20T14:00:00Z")));
}

#[test]
fn a_time_that_does_not_occur_is_read_with_the_offset_before_the_gap() {
    // 02:30 on 8 March 2026 does not occur in New York: 02:30 at -5 is 07:30 UTC, 03:30 on the clocks there.
    let gap = boundary(at("2026-02-08T07:30:00Z"), &zone("America/New_York"), Interval::MONTHLY, 1);
    assert_eq!(gap, Some(at("2026-03-08T07:30:00Z")));
    // The next one is counted from the anchor again: 02:30, now at -4.
    let after = boundary(at("2026-02-08T07:30:00Z"), &zone("America/New_York"), Interval::MONTHLY, 2);
    assert_eq!(after, Some(at("2026-04-08T06:30:00Z")));
    // Samoa left out 30 December 2011.
    let apia = boundary(at("2011-11-30T22:00:00Z"), &zone("Pacific/Apia"), Interval::MONTHLY, 1);
    assert_eq!(apia, Some(at("2011-12-30T22:00:00Z")), "30 November 12:00 at -10; the month later does not occur");
}

#[test]
fn of_a_time_that_occurs_twice_the_first_counts() {
    // 01:30 on 1 November 2026 occurs at -4 and at -5 in New York.
    let fold = boundary(at("2026-10-01T05:30:00Z"), &zone("America/New_York"), Interval::MONTHLY, 1);
    assert_eq!(fold, Some(at("2026-11-01T05:30:00Z")));
    // Who starts in the second of them starts there.
    let second = Period::anchored(1, at("2026-11-01T06:30:00Z"), &zone("America/New_York"), Interval::MONTHLY);
    assert_eq!(second.map(|it| it.starts_at), Some(at("2026-11-01T06:30:00Z")));
}

#[test]
fn periods_follow_each_other_without_gap() {
    let seoul = zone("Asia/Seoul");
    let mut period = Period::anchored(1, at("2026-01-30T15:00:00Z"), &seoul, Interval::MONTHLY).expect("in range");
    let mut ends = vec![];
    for number in 1..=4 {
        assert_eq!(period.number, number);
        ends.push(seoul.local_date(period.ends_at).to_string());
        let next = period.next(&seoul, Interval::MONTHLY).expect("in range");
        assert_eq!(next.starts_at, period.ends_at);
        period = next;
    }
    assert_eq!(ends, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
}

#[test]
fn a_pause_puts_the_end_off_and_costs_no_service() {
    let seoul = zone("Asia/Seoul");
    let period = Period::anchored(1, at("2026-04-01T00:00:00Z"), &seoul, Interval::MONTHLY).expect("in range");
    let resumed = period.resumed(at("2026-04-11T00:00:00Z"), at("2026-05-20T00:00:00Z"));
    assert_eq!(resumed.ends_at, at("2026-06-09T00:00:00Z"), "20 days were left");
    assert_eq!(resumed.seconds_all(), period.seconds_all());
    assert_eq!(resumed.seconds_left(at("2026-05-20T00:00:00Z")), 20 * 86_400);
    let next = resumed.next(&seoul, Interval::MONTHLY).expect("in range");
    assert_eq!((next.number, next.starts_at, next.ends_at), (2, resumed.ends_at, at("2026-07-09T00:00:00Z")));
}

#[test]
fn there_is_no_boundary_beyond_the_calendar() {
    assert_eq!(boundary(at("8999-12-15T00:00:00Z"), &zone("UTC"), Interval::MONTHLY, 1), None);
    assert_eq!(boundary(at("2026-01-01T00:00:00Z"), &zone("UTC"), Interval::YEARLY, u32::MAX), None);
    assert_eq!(days_after(at("1999-01-01T00:00:00Z"), &zone("UTC"), 1), None);
}

proptest! {
    #[test]
    fn boundaries_ascend_in_every_zone(
        which in 0..chrono_tz::TZ_VARIANTS.len(),
        start in 946_684_800_i64..2_200_000_000,
        every in 1_u8..=12,
        unit in prop::sample::select(vec![Unit::Week, Unit::Month, Unit::Year]),
    ) {
        let zone = zone(chrono_tz::TZ_VARIANTS[which].name());
        let interval = Interval { every, unit };
        let mut period = Period::anchored(1, DateTime::from_timestamp(start, 0).expect("a moment"), &zone, interval)
            .expect("in the calendar");
        for _ in 0..30 {
            prop_assert!(period.ends_at > period.starts_at);
            let days = (period.ends_at - period.starts_at).num_days();
            let units = i64::from(every) * match unit { Unit::Week => 7, Unit::Month => 28, Unit::Year => 365 };
            prop_assert!(days >= units - 2, "{days} days are too few for {interval:?}");
            period = period.next(&zone, interval).expect("in the calendar");
        }
    }
}
