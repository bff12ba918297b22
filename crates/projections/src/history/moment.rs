//! Which moment of the past is meant: a position of the log, or a time.

use std::str::FromStr;

use baeum_domain::position::Shard;
use baeum_eventlog::{EventLog, LogError};
use chrono::{DateTime, Utc};

/// A moment as it is asked for: `1234`, or `2026-03-01T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After the event at this position; 0 is before the first.
    Position(i64),
    /// At this time, as [`EventLog::position_at`] defines it.
    Time(DateTime<Utc>),
}

/// What is asked for is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no moment: give a position of the log such as 1234, or a time with its zone such as 2026-03-01T12:00:00Z"
)]
pub struct NotAMoment(String);

impl FromStr for AsOf {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let wrong = || NotAMoment(text.chars().take(80).collect());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Position).map_err(|_| wrong());
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?;
        Ok(Self::Time(time.to_utc()))
    }
}

/// A moment of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The position that the log had then.
    pub position: i64,
    /// The time that it was then: the one that was asked for, or when the event at the position was recorded.
    pub at: DateTime<Utc>,
}

/// A log has no such moment.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// The log has not come that far.
    #[error("position {wanted} is past the head of the log, which is {head}")]
    PastTheHead {
        /// What was asked for.
        wanted: i64,
        /// Position of the latest event.
        head: i64,
    },
    /// The time is still to come.
    #[error("{wanted} is still to come: it is {now}", wanted = .wanted.to_rfc3339(), now = .now.to_rfc3339())]
    StillToCome {
        /// What was asked for.
        wanted: DateTime<Utc>,
        /// What the clock says.
        now: DateTime<Utc>,
        /// Position of the latest event.
        head: i64,
    },
    /// The position is one of another shard.
    #[error("position {wanted} is of shard {of}, this log is in shard {shard}")]
    OfAnotherShard {
        /// What was asked for.
        wanted: i64,
        /// Its shard.
        of: Shard,
        /// The shard of the log.
        shard: Shard,
    },
    /// It is no position at all.
    #[error("{0} is no position of any log")]
    NoPosition(i64),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Moment {
    /// The moment that is meant.
    ///
    /// # Errors
    /// Where this log has none such, or cannot be read.
    pub async fn find(log: &EventLog, as_of: AsOf) -> Result<Self, MomentError> {
        match as_of {
            AsOf::Position(wanted) => {
                let shard = log.shard();
                let of = Shard::of(wanted).ok_or(MomentError::NoPosition(wanted))?;
                if wanted != 0 && of != shard {
                    return Err(MomentError::OfAnotherShard { wanted, of, shard });
                }
                let position = wanted.max(log.floor());
                let head = log.head().await?;
                if position > head {
                    return Err(MomentError::PastTheHead { wanted, head });
                }
                let at = log.recorded_at(position).await?.unwrap_or(DateTime::UNIX_EPOCH);
                Ok(Self { position, at })
            }
            AsOf::Time(wanted) => {
                let now = log.clock().now();
                if wanted > now {
                    return Err(MomentError::StillToCome { wanted, now, head: log.head().await? });
                }
                Ok(Self { position: log.position_at(wanted).await?, at: wanted })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_position_or_a_time_with_its_zone() {
        assert_eq!("0".parse(), Ok(AsOf::Position(0)));
        assert_eq!("1234".parse(), Ok(AsOf::Position(1234)));
        let noon = "2026-03-01T12:00:00Z".parse().expect("a time");
        for same in ["2026-03-01T12:00:00Z", "2026-03-01T21:00:00+09:00", "2026-03-01 12:00:00.000Z"] {
            assert_eq!(same.parse(), Ok(AsOf::Time(noon)), "{same}");
        }
        for wrong in ["", "-1", "+1", "1.5", "noon", "2026-03-01", "2026-03-01T12:00:00", "99999999999999999999"] {
            assert!(wrong.parse::<AsOf>().is_err(), "{wrong} must be refused");
        }
    }
}
