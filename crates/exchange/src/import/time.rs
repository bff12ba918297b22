//! Reading times as another system has written them.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone as _, Utc, format::StrftimeItems};
use chrono_tz::Tz;

/// Reads times of one form.
#[derive(Clone, Debug)]
pub(super) enum TimeReader {
    Rfc3339,
    /// Seconds since 1970, with a fraction where there is one.
    UnixSeconds,
    UnixMilliseconds,
    /// A pattern that tells the offset.
    Offset(String),
    /// A pattern of local time.
    Local {
        pattern: String,
        zone: Tz,
        ambiguous: Ambiguous,
    },
}

/// What a local time means that a clock shows twice, when it is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ambiguous {
    Reject,
    Earlier,
    Later,
}

impl TimeReader {
    /// A reader of `format`: `rfc3339`, `unix_seconds`, `unix_milliseconds`, or a pattern of strftime.
    pub(super) fn new(format: &str, zone: Option<&str>, ambiguous: Option<&str>) -> Result<Self, String> {
        let ambiguous = match ambiguous {
            None | Some("reject") => Ambiguous::Reject,
            Some("earlier") => Ambiguous::Earlier,
            Some("later") => Ambiguous::Later,
            Some(other) => return Err(format!("time.ambiguous: is '{other}': give reject, earlier or later")),
        };
        let told = |reader| match zone {
            Some(_) => Err(format!("time.zone: the format '{format}' tells the offset itself: leave the zone out")),
            None => Ok(reader),
        };
        match format {
            "rfc3339" => return told(Self::Rfc3339),
            "unix_seconds" => return told(Self::UnixSeconds),
            "unix_milliseconds" => return told(Self::UnixMilliseconds),
            _ => {}
        }
        let items = StrftimeItems::new(format).parse();
        let items = items.map_err(|_| {
            format!(
                "time.format: '{format}' is no pattern: give rfc3339, unix_seconds, unix_milliseconds or one such as \
                 %Y-%m-%d %H:%M:%S"
            )
        })?;
        let sample = NaiveDate::from_ymd_opt(2024, 5, 17).and_then(|day| day.and_hms_opt(15, 42, 0));
        let sample = sample.expect("a moment").and_utc();
        let written = sample.format_with_items(items.iter()).to_string();
        if DateTime::parse_from_str(&written, format).is_ok_and(|read| read == sample) {
            return told(Self::Offset(format.to_owned()));
        }
        if NaiveDateTime::parse_from_str(&written, format).ok() != Some(sample.naive_utc()) {
            return Err(format!(
                "time.format: '{format}' does not tell the time of day to the minute with its date: give one such as \
                 %Y-%m-%d %H:%M:%S"
            ));
        }
        let Some(zone) = zone else {
            return Err(
                "time.zone: is missing: the format is of local time, so give its zone, for instance Asia/Seoul".into(),
            );
        };
        let zone = zone
            .parse()
            .map_err(|_| format!("time.zone: '{zone}' is no time zone: give one such as Asia/Seoul or UTC"))?;
        Ok(Self::Local { pattern: format.to_owned(), zone, ambiguous })
    }

    /// Reads one time.
    pub(super) fn read(&self, text: &str) -> Result<DateTime<Utc>, String> {
        let wrong = |form: &str| format!("'{}' is not a time of the form {form}", shortened(text));
        match self {
            Self::Rfc3339 => {
                DateTime::parse_from_rfc3339(text).map(|it| it.to_utc()).map_err(|_| wrong("2024-05-17T15:42:00+09:00"))
            }
            Self::UnixMilliseconds => {
                let number = text.parse::<i64>().ok();
                number.and_then(DateTime::from_timestamp_millis).ok_or_else(|| wrong("unix_milliseconds"))
            }
            Self::UnixSeconds => seconds(text).ok_or_else(|| wrong("unix_seconds")),
            Self::Offset(pattern) => {
                DateTime::parse_from_str(text, pattern).map(|it| it.to_utc()).map_err(|_| wrong(pattern))
            }
            Self::Local { pattern, zone, ambiguous } => {
                let local = NaiveDateTime::parse_from_str(text, pattern).map_err(|_| wrong(pattern))?;
                match (zone.from_local_datetime(&local), ambiguous) {
                    (LocalResult::Single(time), _)
                    | (LocalResult::Ambiguous(time, _), Ambiguous::Earlier)
                    | (LocalResult::Ambiguous(_, time), Ambiguous::Later) => Ok(time.to_utc()),
                    (LocalResult::None, _) => {
                        Err(format!("{local} was skipped in {zone}, where clocks were put forward: is the zone right?"))
                    }
                    (LocalResult::Ambiguous(..), Ambiguous::Reject) => Err(format!(
                        "{local} was there twice in {zone}, where clocks were put back: say by time.ambiguous which one"
                    )),
                }
            }
        }
    }
}

/// Decimal digits are read as they stand: a float would lose microseconds.
fn seconds(text: &str) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|it| it.is_ascii_digit()) || whole.starts_with('-') {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    DateTime::from_timestamp(whole.parse().ok()?, nanoseconds)
}

/// A value as it may stand in a reason.
pub(super) fn shortened(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut short: String = text.chars().take(LIMIT).map(|it| if it.is_control() { ' ' } else { it }).collect();
    if text.chars().nth(LIMIT).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin(ambiguous: &str) -> TimeReader {
        TimeReader::new("%d.%m.%Y %H:%M", Some("Europe/Berlin"), Some(ambiguous)).expect("a reader")
    }

    fn read(reader: &TimeReader, text: &str) -> String {
        reader.read(text).map_or_else(|problem| problem, |it| it.to_rfc3339())
    }

    #[test]
    fn a_time_that_clocks_skipped_is_none() {
        assert!(read(&berlin("earlier"), "31.03.2024 02:30").contains("was skipped in Europe/Berlin"));
        assert_eq!(read(&berlin("reject"), "31.03.2024 03:30"), "2024-03-31T01:30:00+00:00");
    }

    #[test]
    fn a_time_that_clocks_showed_twice_is_what_the_specification_says() {
        assert!(read(&berlin("reject"), "27.10.2024 02:30").contains("was there twice in Europe/Berlin"));
        assert_eq!(read(&berlin("earlier"), "27.10.2024 02:30"), "2024-10-27T00:30:00+00:00");
        assert_eq!(read(&berlin("later"), "27.10.2024 02:30"), "2024-10-27T01:30:00+00:00");
    }

    #[test]
    fn times_with_an_offset_need_no_zone() {
        let reader = TimeReader::new("%Y/%m/%d %H:%M:%S %z", None, None).expect("a reader");
        assert_eq!(read(&reader, "2024/05/17 15:42:01 +0900"), "2024-05-17T06:42:01+00:00");
        assert!(TimeReader::new("rfc3339", Some("UTC"), None).expect_err("a zone").contains("leave the zone out"));
        assert!(TimeReader::new("%Q", Some("UTC"), None).expect_err("no pattern").contains("is no pattern"));
        let seconds = TimeReader::new("unix_seconds", None, None).expect("a reader");
        assert_eq!(read(&seconds, "1715960521.250001"), "2024-05-17T15:42:01.250001+00:00");
        for wrong in ["", "-1", "1e9", "1.2.3", "tomorrow", "99999999999999999999"] {
            assert!(seconds.read(wrong).is_err(), "{wrong} must be refused");
        }
    }

    proptest! {
        #[test]
        fn a_time_that_a_zone_has_once_comes_back(moment in 0_i64..4_000_000_000) {
            let zone: Tz = "America/New_York".parse().expect("a zone");
            let reader = TimeReader::new("%Y-%m-%d %H:%M:%S", Some("America/New_York"), None).expect("a reader");
            let time = DateTime::from_timestamp(moment, 0).expect("a moment");
            let written = time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
            match reader.read(&written) {
                Ok(read) => prop_assert_eq!(read, time),
                Err(problem) => prop_assert!(problem.contains("was there twice"), "{}", problem),
            }
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in ".{0,40}") {
            for reader in [berlin("later"), TimeReader::UnixSeconds, TimeReader::UnixMilliseconds, TimeReader::Rfc3339] {
                let _ = reader.read(&text);
            }
        }
    }
}
