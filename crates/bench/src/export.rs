//! Exporting a log as Parquet and as CSV, beside `COPY TO` of the same events as CSV.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_eventlog::{EventLog, Options};
use baeum_exchange::export::{Exported, Format, Request, Target, export};
use baeum_testing::{TestClock, TestDatabase};
use futures::TryStreamExt as _;
use sqlx::PgPool;

use crate::{Failure, history::write_history, report::Row, servers::tell};

/// Measures over a log of `events` events. The Parquet export is left in `keep`, where that is given.
pub(crate) async fn run(events: i64, keep: Option<PathBuf>) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    let began = Instant::now();
    write_history(&database.pool, events).await?;
    tell(&format!("export: {events} events written in {:.1?}", began.elapsed()));
    sqlx::query("VACUUM ANALYZE events").execute(&database.pool).await?;
    sqlx::query("CHECKPOINT").execute(&database.pool).await?;
    let folder = tempfile::tempdir()?;
    let copied = folder.path().join("events.csv");
    let (took, bytes) = copy(&database.pool, &copied).await?;
    let peer = row("COPY TO as CSV, one file", events, took, bytes);
    // The place of the copy is needed for the export.
    std::fs::remove_file(&copied)?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
    let parquet = keep.unwrap_or_else(|| folder.path().join("parquet"));
    let mut rows = vec![];
    for (subject, format, to) in [
        ("export as Parquet, a column a field", Format::Parquet, parquet),
        ("export as CSV, a column a field", Format::Csv, folder.path().join("csv")),
    ] {
        let target = Target::parse(&to.display().to_string())?;
        let request = Request { format: Some(format), events: true, ..Request::default() };
        let began = Instant::now();
        let Exported { events: exported, manifest } = export(&log, &[], &target, &request, |_, _| {}).await?;
        let took = began.elapsed();
        if i64::try_from(exported)? != events {
            return Err(format!("{exported} of {events} events were exported").into());
        }
        let bytes = manifest.events.files.iter().map(|file| file.bytes).sum();
        tell(&format!("export: {} files", manifest.events.files.len()));
        rows.push(row(subject, events, took, bytes).beside(&peer));
        let again = Instant::now();
        let nothing = export(&log, &[], &target, &request, |_, _| {}).await?.events;
        tell(&format!("export: the next one found {nothing} new events in {:.1?}", again.elapsed()));
    }
    rows.push(peer);
    Ok(rows)
}

async fn copy(pool: &PgPool, path: &PathBuf) -> Result<(Duration, u64), Failure> {
    let began = Instant::now();
    let mut connection = pool.acquire().await?;
    let mut file = BufWriter::new(File::create(path)?);
    let mut rows = connection
        .copy_out_raw("COPY (SELECT * FROM events ORDER BY global_position) TO STDOUT (FORMAT csv, HEADER)")
        .await?;
    while let Some(chunk) = rows.try_next().await? {
        file.write_all(&chunk)?;
    }
    file.into_inner()?.sync_all()?;
    Ok((began.elapsed(), std::fs::metadata(path)?.len()))
}

#[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
fn row(subject: &str, events: i64, took: Duration, bytes: u64) -> Row {
    let per_second = events as f64 / took.as_secs_f64();
    let subject = format!("{subject} ({:.0} bytes/event)", bytes as f64 / events as f64);
    Row { per_second, events_per_second: Some(per_second), ..Row::new("export", subject, 1, vec![], took) }
}
