//! Travelling time (`BAEUM_CLOCK=travel`): the clock stands still and moves when an administrator moves it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use baeum_api::{Travel, TravelError};
use baeum_commands::{
    ExecuteError, LogError,
    operations::advance_clock::{begin_clock, moment},
};
use baeum_domain::{Clock, operations::simulated_clock};
use baeum_eventlog::EventLog;
use baeum_sagas::TOGETHER;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use clap::Subcommand;
use uuid::Uuid;

use crate::{clock::SystemClock, output::tell};

/// How often a process looks where the clock stands; what follows the log learns of it there.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a request may travel.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the command line may travel.
const LONG: Duration = Duration::from_secs(24 * 3_600);

/// What is wanted of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ClockCommand {
    /// Say where it stands
    Show,
    /// Move it, from timer to timer; processes must be running
    Advance {
        /// By so much: a number and s, m, h or d, such as 31d
        #[arg(value_name = "SPAN", required_unless_present = "to", conflicts_with = "to", value_parser = span)]
        by: Option<TimeDelta>,
        /// To this moment (RFC 3339)
        #[arg(long, value_name = "MOMENT")]
        to: Option<DateTime<Utc>>,
    },
}

fn span(text: &str) -> Result<TimeDelta, String> {
    simulated_clock::span(text).ok_or_else(|| "give a number and s, m, h or d, such as 31d".to_owned())
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClockError {
    /// The clock goes by itself.
    #[error("the clock of this platform goes by itself: start it with BAEUM_CLOCK=travel to move it")]
    NotTravelling,
    /// Beyond the calendar.
    #[error("that moment is beyond the calendar: give an earlier one")]
    Beyond,
    /// It did not get on.
    #[error(transparent)]
    Travel(#[from] baeum_sagas::TravelError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// No moment yet.
const UNTOLD: i64 = i64::MIN;

/// A clock that stands where the log has it stand. Ids are fresh all the same.
pub(crate) struct TravelClock {
    ids: SystemClock,
    /// In microseconds since 1970, as the database keeps moments; [`UNTOLD`] before the log was read.
    moment: AtomicI64,
}

impl TravelClock {
    /// A clock that goes by itself until the log says where it stands, which may be in the past.
    pub(crate) fn new(ids: SystemClock) -> Self {
        Self { moment: AtomicI64::new(UNTOLD), ids }
    }
}

impl Clock for TravelClock {
    fn now(&self) -> DateTime<Utc> {
        match self.moment.load(Ordering::SeqCst) {
            UNTOLD => self.ids.now(),
            moment => DateTime::from_timestamp_micros(moment).unwrap_or(DateTime::UNIX_EPOCH),
        }
    }

    fn new_id(&self) -> Uuid {
        self.ids.new_id()
    }

    fn stand_at(&self, moment: DateTime<Utc>) {
        // News of the past, from the beginning of the log, move it no more than others do: it goes forwards.
        self.moment.fetch_max(moment.timestamp_micros(), Ordering::SeqCst);
    }
}

/// Has the clock of a log stand where the log says, from now on; begins it where it has not begun.
///
/// # Errors
/// When the log cannot be read.
pub(crate) async fn follow(log: &EventLog, present: DateTime<Utc>) -> Result<(), LogError> {
    let present = present.duration_trunc(TimeDelta::seconds(1)).unwrap_or(present);
    let stands = loop {
        if let Some(stands) = moment(log).await? {
            break stands;
        }
        // Another process may have been faster.
        if let Err(ExecuteError::Log(error)) = begin_clock(log, "clock", present).await {
            return Err(error);
        }
    };
    log.clock().stand_at(stands);
    let log = log.clone();
    tokio::spawn(async move {
        while !log.pool().is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Ok(Some(stands)) = moment(&log).await {
                log.clock().stand_at(stands);
            }
        }
    });
    Ok(())
}

/// Tells a local gateway of the time, so that its keys and signatures are of the same. Another gateway knows no such request.
async fn tell_gateway(http: &reqwest::Client, url: Option<&str>, moment: DateTime<Utc>) {
    let Some(url) = url else { return };
    let body = serde_json::json!({ "now": moment.timestamp() });
    let told = http.put(format!("{}/control/clock", url.trim_end_matches('/'))).json(&body).send().await;
    if let Err(error) = told {
        tracing::warn!(error = %error.without_url(), "the payment gateway was not told the time");
    }
}

fn http() -> reqwest::Client {
    // reqwest is built without a provider of its own; a second installation is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap_or_default()
}

/// How requests travel.
pub(crate) fn travel_of(logs: Vec<EventLog>, gateway: Option<String>) -> Travel {
    let http = http();
    Arc::new(move |to| {
        let (logs, gateway, http) = (logs.clone(), gateway.clone(), http.clone());
        Box::pin(async move {
            let registry = baeum_sagas::registry();
            let before = |moment| tell_gateway(&http, gateway.as_deref(), moment);
            let reached = baeum_sagas::travel(&logs, &registry, "api", (to, TOGETHER), PATIENCE, before).await;
            reached.map_err(|error| match error {
                baeum_sagas::TravelError::Clock(ExecuteError::Refused(refusal)) => {
                    TravelError::Refused(refusal.to_string())
                }
                other => TravelError::Unavailable(other.to_string()),
            })
        })
    })
}

/// Does what the command line asks for.
///
/// # Errors
/// A clock that goes by itself, an earlier moment, or a failing log.
pub(crate) async fn run(logs: &[EventLog], gateway: Option<&str>, command: &ClockCommand) -> Result<(), ClockError> {
    let Some(log) = logs.first() else { return Ok(()) };
    let now = moment(log).await?.ok_or(ClockError::NotTravelling)?;
    for log in logs {
        log.clock().stand_at(now);
    }
    let to = match command {
        ClockCommand::Show => {
            tell(format_args!("the clock stands at {}", now.to_rfc3339()));
            return Ok(());
        }
        ClockCommand::Advance { to: Some(to), .. } => *to,
        ClockCommand::Advance { by, .. } => now.checked_add_signed(by.unwrap_or_default()).ok_or(ClockError::Beyond)?,
    };
    let (registry, http) = (baeum_sagas::registry(), http());
    let before = |moment| tell_gateway(&http, gateway, moment);
    let reached = baeum_sagas::travel(logs, &registry, "operator", (to, TOGETHER), LONG, before).await?;
    tell(format_args!("the clock stands at {}", reached.to_rfc3339()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_travelled_stands_still_and_goes_forwards_only() {
        let clock = TravelClock::new(SystemClock::default());
        let before = (clock.now() - TimeDelta::days(700)).duration_trunc(TimeDelta::microseconds(1)).expect("in range");
        clock.stand_at(before);
        assert_eq!(clock.now(), before, "the log may have it stand in the past");
        let later = before + TimeDelta::days(31);
        clock.stand_at(later);
        clock.stand_at(before);
        assert_eq!(clock.now(), later);
        assert_ne!(clock.new_id(), clock.new_id());
    }
}
