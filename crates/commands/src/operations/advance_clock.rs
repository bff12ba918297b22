//! Moving the clock of a platform on which time is travelled. The deed is an event: every process learns of it from the log.

use baeum_domain::operations::simulated_clock::{Command, Error, SimulatedClock, id};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, LogError};
use chrono::{DateTime, Utc};

/// Whose log the clock is in: the same for all tenants of a shard.
pub const TENANT: &str = "main";

/// The moment at which the clock of this log stands, if it does.
///
/// # Errors
/// When the log cannot be read.
pub async fn moment(log: &EventLog) -> Result<Option<DateTime<Utc>>, LogError> {
    Ok(log.load::<SimulatedClock>(TENANT, &id().to_string()).await?.state.now)
}

/// Has the clock stand at `at`, where it does not stand yet.
///
/// # Errors
/// A failing log.
pub async fn begin_clock(log: &EventLog, actor: &str, at: DateTime<Utc>) -> Result<(), ExecuteError<Error>> {
    execute(log, actor, Command::Begin { at }).await
}

/// Moves the clock to `to`, and that of this process at once.
///
/// # Errors
/// A clock that goes by itself, an earlier moment, or a failing log.
pub async fn advance_clock(log: &EventLog, actor: &str, to: DateTime<Utc>) -> Result<(), ExecuteError<Error>> {
    execute(log, actor, Command::Advance { to }).await?;
    log.clock().stand_at(to);
    Ok(())
}

async fn execute(log: &EventLog, actor: &str, command: Command) -> Result<(), ExecuteError<Error>> {
    let command_id = log.clock().new_id();
    let context = CommandContext {
        tenant: TENANT.to_owned(),
        actor: actor.to_owned(),
        command_id,
        fingerprint: None,
        correlation_id: command_id,
        causation_id: command_id,
        expected_sequence: None,
    };
    let prepare = |_: Loaded<SimulatedClock>| std::future::ready(Ok::<_, Error>(command.clone()));
    log.execute::<SimulatedClock, (), Error, _>(&context, &id().to_string(), prepare, |_, _| ()).await.map(drop)
}
