//! The generic runner: reads the log, keeps what the process decides, sends its commands.
//!
//! Reading and sending go on beside each other: a command that takes long, such as a call of a payment gateway, holds up
//! the later commands of its instance and nothing else.

use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use baeum_commands::{Commands, dispatch::DispatchError};
use baeum_domain::{AnyEvent, Recorded, ids::derive_id, operations::simulated_clock};
use baeum_eventlog::{CommandContext, Feed, LogError, begin, decode, lease::Lease, lease::RENEW_EVERY};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    process::Erased,
    store::{self, Kept, Pending},
};

/// How many events are taken in with one transaction at most.
const BATCH: usize = 500;
/// How many commands are on their way at once, each of another instance.
const COMMANDS: usize = 64;
/// How many timers go off with one statement at most.
const TIMERS: i64 = 500;
/// How long news are waited for while commands are on their way.
const BESIDE: Duration = Duration::from_millis(5);

/// Why a process did not get on.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the tables of the processes cannot be reached: {0}")]
    Store(#[from] sqlx::Error),
    #[error("the state of instance {0} cannot be read by this build: {1}")]
    State(String, serde_json::Error),
    #[error("a command of instance {0} cannot be written down: {1}")]
    Command(String, serde_json::Error),
    #[error("a command broke off: {0}")]
    Broken(#[from] JoinError),
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
        let (mut sending, mut renewed) = (Sending::default(), Instant::now());
        loop {
            if renewed.elapsed() >= RENEW_EVERY {
                if self.lease.epoch().await? != Some(epoch) {
                    return Ok(());
                }
                renewed = Instant::now();
                self.time_out(epoch).await?;
            }
            let patience = RENEW_EVERY.saturating_sub(renewed.elapsed());
            let events = self.news(&mut feed, cursor, &sending, patience).await?;
            if let Some(last) = events.last().map(|event| event.position) {
                if !self.take_in(epoch, cursor, &events).await? {
                    return Ok(());
                }
                cursor = last;
            }
            *pause = Duration::from_secs(1);
            store::fire(log.pool(), &self.process, epoch, log.clock().now(), TIMERS).await?;
            self.strike_off(&mut sending).await?;
            self.send_due(&mut sending).await?;
        }
    }

    /// Fails the instances whose time is up, of a process that gives them some.
    async fn time_out(&self, epoch: i64) -> Result<(), ProcessError> {
        if self.process.timeout.is_none() {
            return Ok(());
        }
        let log = self.commands.log();
        let late = store::time_out(log.pool(), &self.process, epoch, log.clock().now()).await?;
        if late > 0 {
            metrics::counter!("baeum_process_timeouts_total", "process" => self.process.name)
                .increment(late.unsigned_abs());
            tracing::error!(process = self.process.name, late, "instances timed out");
        }
        Ok(())
    }

    /// The next events, waiting no longer than until a command is due or a timer goes off.
    async fn news(
        &self,
        feed: &mut Feed,
        cursor: i64,
        sending: &Sending,
        patience: Duration,
    ) -> Result<Vec<Recorded<serde_json::Value>>, ProcessError> {
        let log = self.commands.log();
        let wait = if sending.busy.is_empty() {
            let (due, timer) = store::next_due(log.pool(), &self.process).await?;
            let timer = timer.map(|at| (at - log.clock().now()).to_std().unwrap_or(Duration::ZERO));
            [due, timer].into_iter().flatten().fold(patience, Duration::min)
        } else {
            patience.min(BESIDE)
        };
        Ok(feed.next(cursor, BATCH, wait).await?)
    }

    /// Takes events in with what follows from them; `false` when another runner was faster.
    async fn take_in(
        &self,
        epoch: i64,
        cursor: i64,
        events: &[Recorded<serde_json::Value>],
    ) -> Result<bool, ProcessError> {
        let log = self.commands.log();
        let mut reached = cursor;
        let mut unreadable = None;
        let mut mine = vec![];
        for event in events {
            // What follows from what a person did who was forgotten is nobody's business any more.
            log.erased().meet(event);
            if let Some(moment) = simulated_clock::moment_of(event) {
                log.clock().stand_at(moment);
            }
            let forgotten = log.erased().concerns(event, |payload, name| body(payload)?.get(name)?.as_str());
            if !forgotten && self.process.events.contains(&event.event_type.as_str()) {
                match decode(event.clone()) {
                    Ok(event) => {
                        if let Some(instance_id) = (self.process.instance)(&event) {
                            mine.push((instance_id, event));
                        }
                    }
                    // What came before it is kept; it is not skipped.
                    Err(error) => {
                        unreadable = Some(error);
                        break;
                    }
                }
            }
            reached = event.position;
        }
        let now = log.clock().now();
        let mut db = begin(log.pool()).await?;
        self.react(&mut db, mine, now).await?;
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

    /// Keeps what follows from events: the states are read at once, folded in memory, and written at once.
    async fn react(
        &self,
        db: &mut sqlx::PgConnection,
        events: Vec<(String, Recorded<AnyEvent>)>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), ProcessError> {
        if events.is_empty() {
            return Ok(());
        }
        let instances: BTreeSet<_> = events.iter().map(|(instance_id, _)| instance_id.clone()).collect();
        let instances: Vec<_> = instances.into_iter().collect();
        let mut known = store::states(db, &self.process, &instances).await?;
        let mut kept = Kept::default();
        for (instance_id, event) in events {
            let before = known.remove(&instance_id);
            if let Some((status, state)) = &before
                && status == "failed"
            {
                known.insert(instance_id, (status.clone(), state.clone()));
                continue;
            }
            let (state, effects) = (self.process.react)(before.map(|(_, state)| state), &event)
                .map_err(|error| ProcessError::State(instance_id.clone(), error))?;
            let Some(state) = state else { continue };
            known.insert(instance_id.clone(), ("running".to_owned(), state.clone()));
            kept.add(&instance_id, &event, state, effects)
                .map_err(|error| ProcessError::Command(instance_id.clone(), error))?;
        }
        Ok(kept.write(db, &self.process, now).await?)
    }

    /// Sends the commands that are due, those of one instance in order.
    async fn send_due(&self, sending: &mut Sending) -> Result<(), ProcessError> {
        if sending.busy.len() >= COMMANDS {
            return Ok(());
        }
        // Those on their way are found too, and left out.
        let limit = i64::try_from(COMMANDS + sending.busy.len()).unwrap_or(i64::MAX);
        let due = store::due(self.commands.log().pool(), &self.process, limit).await?;
        for command in due {
            if sending.busy.insert(command.instance_id.clone()) {
                sending.tasks.spawn(send(self.commands.clone(), self.process, command));
            }
        }
        Ok(())
    }

    /// Notes what became of the commands that have come back.
    async fn strike_off(&self, sending: &mut Sending) -> Result<(), ProcessError> {
        let (log, name) = (self.commands.log(), self.process.name);
        let mut back = vec![];
        while let Some(sent) = sending.tasks.try_join_next() {
            back.push(sent?);
        }
        let done: Vec<_> = back.iter().filter(|(_, result)| result.is_ok()).map(|(command, _)| command).collect();
        store::done(log.pool(), &self.process, &done).await?;
        for (command, result) in &back {
            match result {
                Ok(()) => {}
                Err(error @ DispatchError::Refused { .. }) => {
                    let now = log.clock().now();
                    metrics::counter!("baeum_process_commands_failed_total", "process" => name).increment(1);
                    tracing::error!(process = name, instance = command.instance_id, step = command.step, %error, "given up");
                    store::give_up(log.pool(), &self.process, command, &error.to_string(), now).await?;
                }
                Err(error @ DispatchError::Transient(_)) => {
                    tracing::warn!(process = name, instance = command.instance_id, step = command.step, %error, "put off");
                    let pause = backoff(command.attempts);
                    store::put_off(log.pool(), &self.process, command, pause, &error.to_string()).await?;
                }
            }
            sending.busy.remove(&command.instance_id);
        }
        Ok(())
    }
}

/// Commands on their way.
#[derive(Default)]
struct Sending {
    tasks: JoinSet<(Pending, Result<(), DispatchError>)>,
    /// The instances whose command is on its way.
    busy: HashSet<String>,
}

async fn send(commands: Commands, process: Erased, command: Pending) -> (Pending, Result<(), DispatchError>) {
    if command.command.0.subject().is_some_and(|subject| commands.log().erased().contains(subject)) {
        return (command, Ok(()));
    }
    let position = command.position.to_string();
    let name = process.name;
    let context = CommandContext {
        tenant: command.tenant.clone(),
        actor: format!("saga:{name}"),
        command_id: derive_id(&["process", name, &command.instance_id, &position, &command.step]),
        fingerprint: Some(command.step.clone()),
        correlation_id: command.correlation_id,
        causation_id: command.causation_id,
        expected_sequence: None,
    };
    let result = commands.dispatch(&context, command.command.0.clone()).await;
    (command, result)
}

/// The body of a stored event, which stands under its name.
fn body(payload: &serde_json::Value) -> Option<&serde_json::Value> {
    payload.as_object()?.values().next()
}

/// 0.2 s, doubled with every attempt, at most a minute.
fn backoff(attempts: i32) -> Duration {
    let factor = 1_u64 << attempts.clamp(0, 9);
    Duration::from_millis((200 * factor).min(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<_> = [0, 1, 5, 9, 1_000].map(|attempts| backoff(attempts).as_millis()).into();
        assert_eq!(pauses, [200, 400, 6_400, 60_000, 60_000]);
    }
}
