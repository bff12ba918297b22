//! The generic runner: reads the log, keeps what the process decides, sends its commands.

use std::time::Duration;

use baeum_commands::{Commands, dispatch::DispatchError};
use baeum_domain::{AnyEvent, Recorded, ids::derive_id};
use baeum_eventlog::{CommandContext, Feed, LogError, begin, decode, lease::Lease, lease::RENEW_EVERY};
use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::{
    process::Erased,
    store::{self, Pending},
};

/// How many events are taken in with one transaction at most.
const BATCH: usize = 100;
/// How many commands are sent before the log is looked at again.
const COMMANDS: i64 = 64;

/// Why a process did not get on.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the tables of the processes cannot be reached: {0}")]
    Store(#[from] sqlx::Error),
    #[error("the state of instance {0} cannot be read by this build: {1}")]
    State(String, serde_json::Error),
}

/// Runs every process of `registry` until `stop`. What fails is tried again; nothing is skipped.
pub async fn run(commands: Commands, registry: Vec<Erased>, stop: CancellationToken) {
    let runners = registry.into_iter().map(|process| {
        let runner = Runner {
            lease: Lease::new(
                commands.log().pool().clone(),
                format!("process:{}", process.name),
                commands.log().clock().new_id(),
            ),
            commands: commands.clone(),
            process,
        };
        tokio::spawn(runner.run(stop.clone()))
    });
    for runner in runners.collect::<Vec<_>>() {
        if let Err(error) = runner.await {
            tracing::error!(%error, "a process ended unexpectedly");
        }
    }
}

struct Runner {
    commands: Commands,
    process: Erased,
    lease: Lease,
}

impl Runner {
    async fn run(self, stop: CancellationToken) {
        let mut pause = Duration::from_secs(1);
        loop {
            let session = tokio::select! {
                session = self.session(&mut pause) => session,
                () = stop.cancelled() => break,
            };
            if let Err(error) = session {
                metrics::counter!("baeum_process_errors_total", "process" => self.process.name).increment(1);
                tracing::warn!(process = self.process.name, %error, "a process was interrupted and tries again");
                let _ = store::note_error(self.commands.log().pool(), &self.process, &error.to_string()).await;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        let _ = self.lease.release().await;
    }

    /// Works for as long as the lease is held.
    async fn session(&self, pause: &mut Duration) -> Result<(), ProcessError> {
        let epoch = loop {
            match self.lease.epoch().await? {
                Some(epoch) => break epoch,
                None => tokio::time::sleep(RENEW_EVERY).await,
            }
        };
        let log = self.commands.log();
        let taken_over = store::take_over(log.pool(), &self.process, epoch, log.clock().now()).await?;
        let Some(mut cursor) = taken_over else { return Ok(()) };
        tracing::info!(process = self.process.name, position = cursor, "reacting");
        let mut feed = log.feed();
        while self.lease.epoch().await? == Some(epoch) {
            let events = self.news(&mut feed, cursor).await?;
            if let Some(last) = events.last().map(|event| event.position) {
                if !self.take_in(epoch, cursor, &events).await? {
                    return Ok(());
                }
                cursor = last;
            }
            *pause = Duration::from_secs(1);
            self.send_due().await?;
            let late = store::time_out(log.pool(), &self.process, epoch, log.clock().now()).await?;
            if late > 0 {
                metrics::counter!("baeum_process_timeouts_total", "process" => self.process.name)
                    .increment(late.unsigned_abs());
                tracing::error!(process = self.process.name, late, "instances timed out");
            }
        }
        Ok(())
    }

    /// The next events, waiting no longer than until a command is due.
    async fn news(&self, feed: &mut Feed, cursor: i64) -> Result<Vec<Recorded<serde_json::Value>>, ProcessError> {
        let log = self.commands.log();
        let due = store::next_due(log.pool(), &self.process).await?;
        let wait = due.map_or(RENEW_EVERY, |due| (due - log.clock().now()).to_std().unwrap_or(Duration::ZERO));
        Ok(feed.next(cursor, BATCH, wait.min(RENEW_EVERY)).await?)
    }

    /// Takes events in with what follows from them; `false` when another runner was faster.
    async fn take_in(
        &self,
        epoch: i64,
        cursor: i64,
        events: &[Recorded<serde_json::Value>],
    ) -> Result<bool, ProcessError> {
        let log = self.commands.log();
        let now = log.clock().now();
        let mut reached = cursor;
        let mut unreadable = None;
        let mut db = begin(log.pool()).await?;
        for event in events {
            // What follows from what a person did who was forgotten is nobody's business any more.
            log.erased().meet(event);
            let forgotten = log.erased().concerns(event, |payload, name| body(payload)?.get(name)?.as_str());
            if !forgotten && self.process.events.contains(&event.event_type.as_str()) {
                match decode(event.clone()) {
                    Ok(event) => self.react(&mut db, &event, now).await?,
                    // What came before it is kept; it is not skipped.
                    Err(error) => {
                        unreadable = Some(error);
                        break;
                    }
                }
            }
            reached = event.position;
        }
        let moved =
            reached == cursor || store::move_cursor(&mut db, &self.process, epoch, (cursor, reached), now).await?;
        if moved {
            db.commit().await?;
        } else {
            db.rollback().await?;
        }
        match unreadable {
            Some(error) => Err(error.into()),
            None => Ok(moved),
        }
    }

    async fn react(
        &self,
        db: &mut sqlx::PgConnection,
        event: &Recorded<AnyEvent>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), ProcessError> {
        let Some(instance_id) = (self.process.instance)(event) else { return Ok(()) };
        let known = store::state(db, &self.process, &instance_id).await?;
        if known.as_ref().is_some_and(|(status, _)| status == "failed") {
            return Ok(());
        }
        let (state, effects) = (self.process.react)(known.map(|(_, state)| state), event)
            .map_err(|error| ProcessError::State(instance_id.clone(), error))?;
        store::keep(db, &self.process, &instance_id, event, state, effects, now).await?;
        Ok(())
    }

    /// Sends the commands that are due, those of one instance in order.
    async fn send_due(&self) -> Result<(), ProcessError> {
        let log = self.commands.log();
        let due = store::due(log.pool(), &self.process, log.clock().now(), COMMANDS).await?;
        let sent = futures::future::join_all(due.iter().map(|command| self.send(command))).await;
        sent.into_iter().collect()
    }

    async fn send(&self, command: &Pending) -> Result<(), ProcessError> {
        let log = self.commands.log();
        if log.erased().contains(command.command.0.subject()) {
            return Ok(store::done(log.pool(), &self.process, command).await?);
        }
        let position = command.position.to_string();
        let name = self.process.name;
        let context = CommandContext {
            tenant: command.tenant.clone(),
            actor: format!("saga:{name}"),
            command_id: derive_id(&["process", name, &command.instance_id, &position, &command.step]),
            fingerprint: Some(command.step.clone()),
            correlation_id: command.correlation_id,
            causation_id: command.causation_id,
            expected_sequence: None,
        };
        match self.commands.dispatch(&context, command.command.0.clone()).await {
            Ok(()) => store::done(log.pool(), &self.process, command).await?,
            Err(error @ DispatchError::Refused { .. }) => {
                let now = log.clock().now();
                metrics::counter!("baeum_process_commands_failed_total", "process" => name).increment(1);
                tracing::error!(process = name, instance = command.instance_id, step = command.step, %error, "given up");
                store::give_up(log.pool(), &self.process, command, &error.to_string(), now).await?;
            }
            Err(error @ DispatchError::Transient(_)) => {
                let until = log.clock().now() + backoff(command.attempts);
                tracing::warn!(process = name, instance = command.instance_id, step = command.step, %error, "put off");
                store::put_off(log.pool(), &self.process, command, until, &error.to_string()).await?;
            }
        }
        Ok(())
    }
}

/// The body of a stored event, which stands under its name.
fn body(payload: &serde_json::Value) -> Option<&serde_json::Value> {
    payload.as_object()?.values().next()
}

/// 0.2 s, doubled with every attempt, at most a minute.
fn backoff(attempts: i32) -> TimeDelta {
    let factor = 1_i64 << attempts.clamp(0, 9);
    TimeDelta::milliseconds((200 * factor).min(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<_> = [0, 1, 5, 9, 1_000].map(|attempts| backoff(attempts).num_milliseconds()).into();
        assert_eq!(pauses, [200, 400, 6_400, 60_000, 60_000]);
    }
}
