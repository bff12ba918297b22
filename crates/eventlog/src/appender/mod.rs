//! The one task of a process that writes to the log: group commit with dense positions.
//!
//! It drains its queue into ONE statement, which advances the one-row `log_head` by the number of events and inserts
//! them at head + ordinality. The row lock is held until commit, so positions are dense, without gaps, and in commit
//! order. While one batch is being committed the next is on its way over a second connection: it waits for the row.
//!
//! An append that conflicts fails its whole statement; which of a batch those are is then asked, they are answered, and
//! the others are appended without them.

mod batch;
mod insert;
mod lane;

use std::{sync::Arc, time::Duration};

use baeum_domain::Clock;
use futures::{StreamExt as _, stream::FuturesUnordered};
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::yield_now,
    time::timeout,
};
use uuid::Uuid;

use crate::{cache::AggregateCache, error::LogError, receipt::NewReceipt};
use batch::{Flights, Waiting};
pub(crate) use insert::{JsonText, metadata_of};
use lane::Lane;

/// How long the connections are kept while there is nothing to append.
const IDLE: Duration = Duration::from_secs(1);
/// How often those who were just answered are let run before a batch leaves that they could be part of.
const PATIENCE: u32 = 32;

/// An event to be appended.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    /// Its type.
    pub(crate) event_type: &'static str,
    /// Version of its payload.
    pub(crate) event_version: u16,
    /// Its stored form, JSON text.
    pub(crate) payload: String,
}

/// Events to be appended to one stream.
#[derive(Clone, Debug)]
pub(crate) struct NewEvents {
    /// Type of the aggregate.
    pub(crate) aggregate_type: &'static str,
    /// Id of the aggregate.
    pub(crate) aggregate_id: String,
    /// The sequence that the stream is at.
    pub(crate) before: i64,
    /// What happened, in order. May be nothing, where only a receipt is to be written.
    pub(crate) events: Vec<NewEvent>,
    /// Whose log.
    pub(crate) tenant: String,
    /// Who caused it.
    pub(crate) actor: String,
    /// What ties the consequences of one request together.
    pub(crate) correlation_id: Uuid,
    /// The command or event that led to it.
    pub(crate) causation_id: Uuid,
}

/// One command's worth of events, appended whole or not at all.
pub(crate) struct Job {
    pub(crate) stream: NewEvents,
    pub(crate) receipt: Option<NewReceipt>,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Job {
    // A caller that no longer waits has lost nothing: what was appended is in the log.
    fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.reply.send(answer);
    }
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

/// What the appender works with.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) head: watch::Sender<i64>,
    pub(crate) cache: Arc<AggregateCache>,
    /// How many jobs a batch holds at most.
    pub(crate) limit: usize,
}

pub(crate) async fn run(pool: PgPool, writer: Writer, mut jobs: mpsc::Receiver<Job>) {
    let mut lanes = Lane::for_pool(&pool);
    let mut waiting = Waiting::new(writer.limit);
    let mut flights = Flights::default();
    let mut flying = FuturesUnordered::new();
    let mut open = true;
    while open || !waiting.is_empty() || !flying.is_empty() {
        while waiting.has_room()
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        // A second batch goes on its way only when it is as wide as the one before it: else it is worth more to wait.
        if let Some(lane) = lanes.pop_if(|_| waiting.is_due(&flights)) {
            let (batch, keys) = waiting.take(&flights);
            if batch.is_empty() {
                lanes.push(lane);
            } else {
                metrics::histogram!("baeum_append_batch_size")
                    .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
                let flight = flights.enter(keys, batch.len());
                let writer = writer.clone();
                flying.push(async move { (flight, lane.commit(&writer, batch).await) });
                continue;
            }
        }
        tokio::select! {
            biased;
            Some((flight, (lane, streams))) = flying.next(), if !flying.is_empty() => {
                lanes.push(lane);
                let width = flights.leave(flight);
                waiting.moved_on(&streams);
                if flying.is_empty() {
                    gather(&mut jobs, &mut waiting, width).await;
                }
            }
            job = next(&mut jobs, &mut lanes), if open && waiting.has_room() => match job {
                Some(job) => waiting.push(job),
                None => open = false,
            },
        }
    }
}

/// The next job. The connections go back to the pool when none comes for a while.
async fn next(jobs: &mut mpsc::Receiver<Job>, lanes: &mut [Lane]) -> Option<Job> {
    if let Ok(job) = timeout(IDLE, jobs.recv()).await {
        return job;
    }
    for lane in lanes {
        lane.rest().await;
    }
    jobs.recv().await
}

/// Lets those who were just answered ask again, so that they share a batch rather than the first of them having one for
/// itself. Whoever does not come at once is not waited for.
async fn gather(jobs: &mut mpsc::Receiver<Job>, waiting: &mut Waiting, width: usize) {
    for _ in 0..PATIENCE {
        while waiting.has_room()
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        if waiting.len() * 2 >= width {
            break;
        }
        yield_now().await;
    }
}
