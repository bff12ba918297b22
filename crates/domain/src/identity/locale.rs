//! Language, country and time zone of a person.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a language, country or time zone is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind}: give {example}")]
pub struct NotALocale {
    text: String,
    kind: &'static str,
    example: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $example:literal, $fits:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The code as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotALocale;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotALocale { text: text.chars().take(40).collect(), kind: $kind, example: $example })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotALocale;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0
            }
        }
    )+};
}

codes! {
    /// A language by its ISO 639-1 code, for instance `ko`.
    Language, "language", "a two-letter ISO 639-1 code such as 'ko' or 'en'",
        |text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase());
    /// A country by its ISO 3166-1 alpha-2 code, for instance `KR`.
    Country, "country", "a two-letter ISO 3166-1 code such as 'KR' or 'US'",
        |text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    /// A time zone by its IANA name, for instance `Asia/Seoul`.
    TimeZone, "time zone", "an IANA name such as 'Asia/Seoul' or 'UTC'",
        |text| text.parse::<chrono_tz::Tz>().is_ok();
}

impl TimeZone {
    /// The zone with its rules.
    pub(crate) fn tz(&self) -> chrono_tz::Tz {
        self.0.parse().expect("a time zone was parsed when it was made")
    }

    /// The calendar day at `moment` in this zone.
    pub fn local_date(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.tz()).date_naive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_day_is_that_of_the_learners_own_zone() {
        let late_evening_in_utc = "2026-03-01T20:00:00Z".parse().expect("a valid moment");
        let seoul: TimeZone = "Asia/Seoul".parse().expect("a valid zone");
        assert_eq!(seoul.local_date(late_evening_in_utc).to_string(), "2026-03-02");
    }

    #[test]
    fn unknown_codes_say_what_would_be_right() {
        let error = "Korea".parse::<Country>().expect_err("too long");
        assert_eq!(
            error.to_string(),
            "'Korea' is not a country: give a two-letter ISO 3166-1 code such as 'KR' or 'US'"
        );
        assert!("Mars/Olympus".parse::<TimeZone>().is_err());
        assert!("KO".parse::<Language>().is_err());
    }
}
