//! Rebuilding `progress` from the log, beside reading the same events and doing nothing with them.

use std::{
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use baeum_eventlog::{EventLog, Options};
use baeum_projections::{
    progress::progress::Progress,
    rebuild::{self, compare, rebuild_with},
};
use baeum_testing::{TestClock, TestDatabase};
use futures::TryStreamExt as _;
use sqlx::{Acquire as _, PgPool, Row as _, postgres::PgPoolOptions};

use crate::{Failure, history::write_history, report::Row, servers::tell};

/// Measures over a log of `events` events.
pub(crate) async fn run(events: i64) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    let began = Instant::now();
    write_history(&database.pool, events).await?;
    tell(&format!("rebuild: {events} events written in {:.1?}", began.elapsed()));
    sqlx::query("VACUUM ANALYZE events").execute(&database.pool).await?;
    // What was written goes to the disk now, and not while something is measured.
    sqlx::query("CHECKPOINT").execute(&database.pool).await?;
    let read = bare_read(&database.pool).await?;
    let mut rows = vec![];
    let cores = available_parallelism().map_or(1, usize::from);
    for (subject, threads) in [("rebuild of progress, one core", 1), ("rebuild of progress, all cores", cores)] {
        let url = database.url();
        let took = tokio::task::spawn_blocking(move || on_threads(threads, rebuild_progress(url, threads))).await??;
        rows.push(row(subject, threads, events, took).beside(&read));
    }
    let comparison = compare(&open(&database.url(), cores).await?, Arc::new(Progress), |_, _| {}).await?;
    if !comparison.is_equal() || comparison.position != events {
        return Err(format!("the rebuilt tables are not what the log says: {comparison:?}").into());
    }
    rows.insert(0, read);
    Ok(rows)
}

/// Runs on so many threads of its own.
fn on_threads<T>(threads: usize, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()?.block_on(work)
}

async fn rebuild_progress(url: String, workers: usize) -> Result<Duration, Failure> {
    let log = open(&url, workers).await?;
    let options = rebuild::Options { workers, ..rebuild::Options::default() };
    let began = Instant::now();
    rebuild_with(&log, Arc::new(Progress), &options, |_, _| {}).await?;
    Ok(began.elapsed())
}

async fn open(url: &str, workers: usize) -> Result<EventLog, Failure> {
    let connections = u32::try_from(workers * 2 + 2)?;
    let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    Ok(EventLog::open(pool, clock, None, Options::default()).await?)
}

/// Every column of every event, in order, on one connection.
async fn bare_read(pool: &PgPool) -> Result<Row, Failure> {
    let mut connection = pool.acquire().await?;
    let began = Instant::now();
    let mut rows = sqlx::query("SELECT * FROM events ORDER BY global_position").fetch(connection.acquire().await?);
    let (mut count, mut bytes) = (0_i64, 0);
    while let Some(row) = rows.try_next().await? {
        for column in 0..row.len() {
            bytes += row.try_get_raw(column)?.as_bytes().map_or(0, <[u8]>::len);
        }
        count += 1;
    }
    let took = began.elapsed();
    let each = bytes / usize::try_from(count.max(1))?;
    tell(&format!("rebuild: {count} events of {each} bytes each read in {took:.1?}"));
    Ok(row("bare SELECT of the same events", 1, count, took))
}

#[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
fn row(subject: &str, clients: usize, events: i64, took: Duration) -> Row {
    let per_second = events as f64 / took.as_secs_f64();
    let empty = Row::new("rebuild", subject, clients, vec![], took);
    Row { per_second, events_per_second: Some(per_second), ..empty }
}
