//! The one task of a process that writes to the log: group commit with dense positions.
//!
//! It drains its queue into ONE statement, which advances the one-row `log_head` by the number of events and inserts
//! them at head + ordinality. The row lock is held until commit, so positions are dense, without gaps, and in commit
//! order. An append that conflicts fails the whole statement; the batch is then halved until it stands alone, so that its
//! neighbours are not harmed.

use std::{collections::HashSet, sync::Arc};

use baeum_domain::Clock;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::{error::LogError, receipt::NewReceipt};

/// An event to be appended.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Type of the aggregate.
    pub aggregate_type: &'static str,
    /// Id of the aggregate.
    pub aggregate_id: String,
    /// Its place in the stream: one past the latest.
    pub sequence: i64,
    /// Its type.
    pub event_type: &'static str,
    /// Version of its payload.
    pub event_version: u16,
    /// Its stored form.
    pub payload: Value,
    /// Whose log.
    pub tenant: String,
    /// Who caused it.
    pub actor: String,
    /// What ties the consequences of one request together.
    pub correlation_id: Uuid,
    /// The command or event that led to it.
    pub causation_id: Uuid,
}

/// One command's worth of events, appended whole or not at all.
pub(crate) struct Job {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) receipt: Option<NewReceipt>,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// Where an append came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Position of the last event, or the head where there was none.
    pub(crate) position: i64,
}

/// Why an append did not take place.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The stream has moved on.
    Conflict,
    /// The command was executed before.
    AlreadyExecuted,
    /// The log failed.
    Log(LogError),
}

pub(crate) async fn run(
    pool: PgPool,
    clock: Arc<dyn Clock>,
    mut jobs: mpsc::Receiver<Job>,
    head: watch::Sender<i64>,
    limit: usize,
) {
    let mut waiting: Vec<Job> = vec![];
    loop {
        if waiting.is_empty() {
            let Some(job) = jobs.recv().await else { return };
            waiting.push(job);
        }
        while waiting.len() < limit {
            let Ok(job) = jobs.try_recv() else { break };
            waiting.push(job);
        }
        let (batch, rest) = independent(waiting, limit);
        waiting = rest;
        metrics::histogram!("baeum_append_batch_size")
            .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
        append(&pool, clock.as_ref(), &head, batch).await;
    }
}

/// Splits off a batch in which no two jobs touch the same stream or command: of such, the later ones wait.
fn independent(jobs: Vec<Job>, limit: usize) -> (Vec<Job>, Vec<Job>) {
    let mut streams = HashSet::new();
    let mut commands = HashSet::new();
    let (mut batch, mut rest) = (vec![], vec![]);
    for job in jobs {
        let stream = job.events.first().map(|event| (event.aggregate_type, event.aggregate_id.clone()));
        let command = job.receipt.as_ref().map(|receipt| (receipt.tenant.clone(), receipt.command_id));
        let taken = stream.as_ref().is_some_and(|it| streams.contains(it))
            || command.as_ref().is_some_and(|it| commands.contains(it));
        if taken || batch.len() >= limit {
            rest.push(job);
        } else {
            streams.extend(stream);
            commands.extend(command);
            batch.push(job);
        }
    }
    (batch, rest)
}

async fn append(pool: &PgPool, clock: &dyn Clock, head: &watch::Sender<i64>, batch: Vec<Job>) {
    let mut open = vec![batch];
    while let Some(mut batch) = open.pop() {
        match insert(pool, clock, &batch).await {
            Ok(base) => {
                let mut position = base;
                for job in batch {
                    position += i64::try_from(job.events.len()).expect("a batch is bounded");
                    // A caller that no longer waits has lost nothing: its events are in the log.
                    let _ = job.reply.send(Ok(Appended { position }));
                }
                head.send_if_modified(|known| {
                    let news = position > *known;
                    *known = position.max(*known);
                    news
                });
            }
            Err(error) if batch.len() > 1 && error.as_database_error().is_some() => {
                let second = batch.split_off(batch.len() / 2);
                open.push(second);
                open.push(batch);
            }
            Err(error) => {
                let error = Arc::new(error);
                for job in batch {
                    let _ = job.reply.send(Err(classify(&error)));
                }
            }
        }
    }
}

fn classify(error: &Arc<sqlx::Error>) -> AppendError {
    match error.as_database_error().and_then(|it| it.constraint()) {
        Some("events_pkey") => AppendError::Conflict,
        Some("command_receipts_pkey") => AppendError::AlreadyExecuted,
        _ => AppendError::Log(LogError::Unavailable(sqlx::Error::Protocol(error.to_string()))),
    }
}

const INSERT: &str = "
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                         $8::text[], $9::text[], $10::uuid[], $11::uuid[])
        WITH ORDINALITY AS t(aggregate_type, aggregate_id, sequence, event_type, event_version, payload, event_id,
                             tenant, actor, correlation_id, causation_id, ordinal)
), head AS (
    UPDATE log_head SET position = position + $12 RETURNING position - $12 AS base
), inserted AS (
    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                        global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
    SELECT aggregate_type, aggregate_id, sequence, event_type, event_version, payload::json,
           json_build_object('correlation_id', correlation_id, 'causation_id', causation_id, 'actor', actor),
           base + ordinal, event_id, tenant, actor, correlation_id, causation_id, $13
    FROM new CROSS JOIN head
), received AS (
    INSERT INTO command_receipts (tenant, command_id, fingerprint, position, sequence, answer, recorded_at)
    SELECT r.tenant, r.command_id, r.fingerprint, base + r.events, r.sequence, r.answer::json, $13
    FROM unnest($14::text[], $15::uuid[], $16::text[], $17::bigint[], $18::bigint[], $19::text[])
        AS r(tenant, command_id, fingerprint, events, sequence, answer) CROSS JOIN head
)
SELECT base FROM head";

/// Inserts a batch; returns the position before its first event.
async fn insert(pool: &PgPool, clock: &dyn Clock, batch: &[Job]) -> Result<i64, sqlx::Error> {
    let recorded_at: DateTime<Utc> = clock.now();
    let events: Vec<&NewEvent> = batch.iter().flat_map(|job| &job.events).collect();
    let mut receipts = vec![];
    let mut ends: Vec<i64> = vec![];
    let mut count = 0_i64;
    for job in batch {
        count += i64::try_from(job.events.len()).expect("a batch is bounded");
        if let Some(receipt) = &job.receipt {
            receipts.push(receipt);
            ends.push(count);
        }
    }
    sqlx::query_scalar(INSERT)
        .bind(column(&events, |e| e.aggregate_type))
        .bind(column(&events, |e| e.aggregate_id.as_str()))
        .bind(column(&events, |e| e.sequence))
        .bind(column(&events, |e| e.event_type))
        .bind(column(&events, |e| e.event_version.to_string()))
        .bind(column(&events, |e| e.payload.to_string()))
        .bind(column(&events, |_| clock.new_id()))
        .bind(column(&events, |e| e.tenant.as_str()))
        .bind(column(&events, |e| e.actor.as_str()))
        .bind(column(&events, |e| e.correlation_id))
        .bind(column(&events, |e| e.causation_id))
        .bind(count)
        .bind(recorded_at)
        .bind(column(&receipts, |r| r.tenant.as_str()))
        .bind(column(&receipts, |r| r.command_id))
        .bind(column(&receipts, |r| r.fingerprint.as_str()))
        .bind(ends)
        .bind(column(&receipts, |r| r.sequence))
        .bind(column(&receipts, |r| r.answer.to_string()))
        .fetch_one(pool)
        .await
}

fn column<'a, R, T>(rows: &[&'a R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}
