//! The log on its way into tables: read ahead by position, decoded on all cores, dealt out to workers by partition.
//!
//! A worker takes in the events of its partitions, many in a transaction, and moves the positions of these partitions in
//! it. So whatever a killed rebuild has committed is whole, and is gone on with from there.

use std::{collections::BTreeMap, sync::Arc, thread::available_parallelism};

use baeum_domain::any::AGGREGATES;
use baeum_eventlog::EventLog;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use sqlx::PgConnection;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    RebuildError,
    shadow::{Shadow, choose_tables},
};
use crate::{
    Projection,
    fold::{Entry, Seen, Skips, Stretch, see},
    projection::{Failure, ProjectionError},
};

/// How many events are read at once. Tests have short logs, which are to take many steps all the same.
const READ: i64 = if cfg!(test) { 7 } else { 2_000 };
/// How many events a worker takes in in one transaction, about, and over how much of the log they may be spread.
const BATCH: (usize, i64) = if cfg!(test) { (10, 30) } else { (10_000, 200_000) };
/// How many reads may wait for a worker.
const WAITING: usize = if cfg!(test) { 1 } else { 4 };
/// How often a transaction that another stood in the way of is tried again.
const ATTEMPTS: u32 = 5;
/// Aggregates whose events concern every projection.
const FOR_ALL: [&str; 2] = [
    <baeum_domain::operations::parked_stream::ParkedStream as baeum_domain::Decider>::AGGREGATE,
    <baeum_domain::identity::erasure::Erasure as baeum_domain::Decider>::AGGREGATE,
];

/// What reads and folds share.
struct Work {
    log: EventLog,
    projection: Arc<dyn Projection>,
    /// Its name in `rebuilds`.
    name: String,
    schema: String,
    run: Uuid,
    skips: Arc<Skips>,
    /// Where each partition began.
    began: BTreeMap<u32, i64>,
    /// How many workers there are: partition p is of worker p mod their number.
    workers: usize,
    /// Aggregates whose events are not even read.
    without: Vec<&'static str>,
}

/// One run over a part of the log.
pub(super) struct Pipeline(Arc<Work>);

/// What was read at once, for one worker.
struct Dealt {
    end: i64,
    seen: Vec<Seen>,
}

impl Pipeline {
    pub(super) fn new(shadow: &Shadow, workers: usize) -> Self {
        // Reading goes on while every worker holds a connection, where there are as many.
        let connections = usize::try_from(shadow.pool().options().get_max_connections()).unwrap_or(1);
        let workers = workers.min(shadow.positions.len()).min(connections.saturating_sub(2)).max(1);
        let reads = |of: &str| FOR_ALL.contains(&of) || shadow.projection.reads(of);
        Self(Arc::new(Work {
            log: shadow.log.clone(),
            projection: shadow.projection.clone(),
            name: shadow.name.clone(),
            schema: shadow.schema.clone(),
            run: shadow.run,
            skips: shadow.skips.clone(),
            began: shadow.positions.clone(),
            workers,
            without: AGGREGATES.iter().map(|info| info.aggregate).filter(|it| !reads(it)).collect(),
        }))
    }

    /// Takes in the log up to `target`, or, when asked to stop, as far as it was read by then. Gives the position of each
    /// partition.
    pub(super) async fn run(
        self,
        target: i64,
        stop: &CancellationToken,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<BTreeMap<u32, i64>, RebuildError> {
        let work = self.0;
        let mut positions = work.began.clone();
        let lowest = |positions: &BTreeMap<u32, i64>| positions.values().copied().min().unwrap_or(0);
        let start = lowest(&positions);
        progress(start.min(target), target);
        if start >= target {
            return Ok(positions);
        }
        let (moved, mut moves) = mpsc::unbounded_channel();
        let mut workers = JoinSet::new();
        let mut desks = vec![];
        for number in 0..work.workers {
            let (desk, dealt) = mpsc::channel(WAITING);
            desks.push(desk);
            workers.spawn(work.clone().fold(number, dealt, moved.clone()));
        }
        drop(moved);
        let mut reader = tokio::spawn(work.clone().read(start, target, desks, stop.clone()));
        while let Some((number, end)) = moves.recv().await {
            for (_, position) in positions.iter_mut().filter(|(partition, _)| work.worker(**partition) == number) {
                *position = end.max(*position);
            }
            progress(lowest(&positions).min(target), target);
        }
        // All workers have ended.
        let mut result = Ok(());
        while let Some(ended) = workers.join_next().await {
            result = result.and(work.outcome(ended));
        }
        if result.is_err() {
            reader.abort();
        }
        match (&mut reader).await {
            Err(error) if error.is_cancelled() => {}
            ended => result = result.and(work.outcome(ended)),
        }
        result.map(|()| positions)
    }
}

impl Work {
    fn worker(&self, partition: u32) -> usize {
        usize::try_from(partition).unwrap_or(0) % self.workers
    }

    fn outcome(&self, ended: Result<Result<(), RebuildError>, JoinError>) -> Result<(), RebuildError> {
        ended.unwrap_or_else(|error| Err(self.stopped(ProjectionError::Panicked(error.to_string()).into())))
    }

    /// Reads the log ahead of the workers and deals it out.
    async fn read(
        self: Arc<Self>,
        start: i64,
        target: i64,
        desks: Vec<mpsc::Sender<Dealt>>,
        stop: CancellationToken,
    ) -> Result<(), RebuildError> {
        // A target past the end of the log is the position of another log.
        let head = self.log.head().await.map_err(|error| self.stopped(error.into()))?;
        let ahead = self.workers.max(2).min(available_parallelism().map_or(1, usize::from).max(2));
        let last = target.min(head).max(start);
        let reads = (start..last).step_by(usize::try_from(READ).unwrap_or(1));
        // What is read, decoded and dealt out in one go runs beside the others, on another core.
        let reads = reads.map(|from| {
            let end = if from + READ >= last { target } else { from + READ };
            tokio::spawn(self.clone().deal(from, end))
        });
        let mut reads = stream::iter(reads).buffered(ahead);
        while let Some(read) = stop.run_until_cancelled(reads.next()).await.flatten() {
            let dealt = read.map_err(|error| self.stopped(ProjectionError::Panicked(error.to_string()).into()))??;
            for (desk, dealt) in desks.iter().zip(dealt) {
                if desk.send(dealt).await.is_err() {
                    // A worker has ended, and says why.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads the events after `from` up to `end`, for each worker.
    async fn deal(self: Arc<Self>, from: i64, end: i64) -> Result<Vec<Dealt>, RebuildError> {
        let stored = self.log.scan(from, end, &self.without).await.map_err(|error| self.stopped(error.into()))?;
        let mut dealt: Vec<Dealt> = (0..self.workers).map(|_| Dealt { end, seen: vec![] }).collect();
        let mut seen = vec![];
        for event in stored {
            let position = event.position;
            let wanted = |partition: u32| self.began.get(&partition).is_some_and(|began| position > *began);
            see(self.projection.as_ref(), &self.skips, event, wanted, &mut seen);
            for one in seen.drain(..) {
                dealt[self.worker(one.partition)].seen.push(one);
            }
        }
        Ok(dealt)
    }

    /// Takes in what is dealt to one worker.
    async fn fold(
        self: Arc<Self>,
        number: usize,
        mut dealt: mpsc::Receiver<Dealt>,
        moved: mpsc::UnboundedSender<(usize, i64)>,
    ) -> Result<(), RebuildError> {
        let partitions: Vec<i32> =
            self.began.keys().filter(|it| self.worker(**it) == number).map(|it| it.cast_signed()).collect();
        let entry = Enter { work: &self, partitions };
        let mut start = self.began.values().copied().min().unwrap_or(0);
        while let Some(Dealt { mut end, mut seen }) = dealt.recv().await {
            while seen.len() < BATCH.0 && end - start < BATCH.1 {
                let Some(more) = dealt.recv().await else { break };
                seen.extend(more.seen);
                end = more.end;
            }
            let mut stretch = Stretch::of(self.projection.as_ref(), &self.skips, start, end, seen);
            let mut attempt = 0;
            loop {
                let taken = stretch.take_in(self.log.pool(), self.log.clock().now(), &entry).await;
                match taken {
                    Ok(true) => break,
                    // Another run has taken the rebuild over.
                    Ok(false) => return Err(RebuildError::Busy { projection: self.projection.name() }),
                    Err(failure) if failure.error.is_contention() && attempt < ATTEMPTS => attempt += 1,
                    Err(failure) => return Err(self.stopped(failure)),
                }
            }
            start = end;
            let _ = moved.send((number, end));
        }
        Ok(())
    }

    fn stopped(&self, failure: Failure) -> RebuildError {
        RebuildError::Stopped { projection: self.projection.name(), position: failure.position, error: failure.error }
    }
}

/// Chooses the tables of the rebuild, and moves the positions of a worker's partitions.
struct Enter<'w> {
    work: &'w Work,
    partitions: Vec<i32>,
}

impl Entry for Enter<'_> {
    fn enter<'a>(&'a self, db: &'a mut PgConnection, end: i64) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        async move {
            choose_tables(db, &self.work.schema).await?;
            // Partitions that an earlier run brought further stay there.
            let moved = sqlx::query(
                "UPDATE public.rebuilds SET position = greatest(position, $4), updated_at = $5
                 WHERE name = $1 AND run = $2 AND partition = ANY($3)",
            )
            .bind(&self.work.name)
            .bind(self.work.run)
            .bind(&self.partitions)
            .bind(end)
            .bind(self.work.log.clock().now())
            .execute(db)
            .await?;
            Ok(moved.rows_affected() == self.partitions.len() as u64)
        }
        .boxed()
    }
}
