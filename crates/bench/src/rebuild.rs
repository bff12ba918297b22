//! Rebuilding `progress` from the log, beside reading the same events and doing nothing with them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_eventlog::{EventLog, Options};
use baeum_projections::{progress::progress::Progress, rebuild::rebuild};
use baeum_testing::{TestClock, TestDatabase};
use futures::TryStreamExt as _;
use sqlx::{Acquire as _, PgPool, Row as _};

use crate::{Failure, history::write_history, report::Row};

/// Measures over a log of `events` events.
pub(crate) async fn run(events: i64) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    let began = Instant::now();
    write_history(&database.pool, events).await?;
    eprintln!("rebuild: {events} events written in {:.0?}", began.elapsed());
    sqlx::query("VACUUM ANALYZE events").execute(&database.pool).await?;
    let read = bare_read(&database.pool).await?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
    let began = Instant::now();
    rebuild(&log, Arc::new(Progress), |_, _| {}).await?;
    let rebuilt = row("rebuild of progress", 1, events, began.elapsed()).beside(&read);
    Ok(vec![read, rebuilt])
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
    eprintln!("rebuild: {count} events of {} bytes each read in {took:.1?}", bytes / usize::try_from(count.max(1))?);
    Ok(row("bare SELECT of the same events", 1, count, took))
}

#[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
fn row(subject: &str, clients: usize, events: i64, took: Duration) -> Row {
    let per_second = events as f64 / took.as_secs_f64();
    let empty = Row::new("rebuild", subject, clients, vec![], took);
    Row { per_second, events_per_second: Some(per_second), ..empty }
}
