//! Importing a file of past attempts, beside a bare `COPY` of the same rows, and importing it again.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_eventlog::{EventLog, Options, begin};
use baeum_exchange::import::{Imported, Request, Spec, import};
use baeum_projections::{
    Projection,
    learning::{imported_attempts::ImportedAttempts, imported_items::ImportedItems},
    rebuild::rebuild,
};
use baeum_testing::{TestClock, TestDatabase, TestEntropy};
use sqlx::PgPool;

use crate::{Failure, report::Row, servers::tell};

const SPEC: &str = r#"
source = "old-lms"
key = ["attempt"]
learner = "student"
item = "question"
skill = "reading"
[time]
column = "answered_at"
format = "%Y-%m-%d %H:%M:%S"
zone = "Asia/Seoul"
[correct]
column = "right"
yes = ["1"]
no = ["0"]
[duration]
column = "seconds"
unit = "s"
"#;
const HEADER: &str = "attempt,student,question,answered_at,right,seconds";

/// Measures with a file of `rows` rows.
pub(crate) async fn run(rows: u32) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir()?;
    let (file, spec) = (folder.path().join("attempts.csv"), folder.path().join("spec.toml"));
    write(&file, rows)?;
    std::fs::write(&spec, SPEC)?;
    tell(&format!("import: {rows} rows in {} bytes", std::fs::metadata(&file)?.len()));
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
    let entropy = TestEntropy::default();
    let once = async |every_row: bool, expected: [u64; 2]| {
        let request = Request {
            file: file.clone(),
            rejects: folder.path().join("rejects.csv"),
            tenant: "main".to_owned(),
            every_row,
        };
        let began = Instant::now();
        let Imported { tally, .. } = import(&log, &entropy, Spec::load(&spec, &file)?, &request, |_, _| {}).await?;
        let took = began.elapsed();
        if [tally.imported, tally.unchanged] != expected {
            return Err(format!("the import is not what it should be: {tally:?}").into());
        }
        Ok::<_, Failure>(took)
    };
    let all = u64::from(rows);
    let first = once(false, [all, 0]).await?;
    let known = once(false, [all, 0]).await?;
    let again = once(true, [0, all]).await?;
    let copied = copy(&database.pool).await?;
    let peer = row("bare COPY of the same events", rows, copied);
    for projection in [Arc::new(ImportedAttempts) as Arc<dyn Projection>, Arc::new(ImportedItems)] {
        let (name, began) = (projection.name(), Instant::now());
        rebuild(&log, projection, |_, _| {}).await?;
        tell(&format!("import: {name} was derived in {:.1?}", began.elapsed()));
    }
    tell(&format!("import: the file as a whole was found to be known in {known:.1?}"));
    Ok(vec![
        row("import", rows, first).beside(&peer),
        row("import again, each row looked at", rows, again).beside(&peer),
        peer,
    ])
}

/// A row an attempt; learners and questions as in a school of 20,000.
fn write(path: &Path, rows: u32) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "{HEADER}")?;
    for row in 0..rows {
        let (student, question) = (row.wrapping_mul(2_654_435_761) % 20_000, row.wrapping_mul(40_503) % 1_500);
        let (day, second) = (row / 86_400 % 28 + 1, row % 86_400);
        writeln!(
            file,
            "{row},s{student}@school.example,Q{question},2024-05-{day:02} {:02}:{:02}:{:02},{},{}",
            second / 3_600,
            second / 60 % 60,
            second % 60,
            u32::from(row % 7 < 4),
            row % 90 + 1,
        )?;
    }
    file.flush()?;
    Ok(())
}

/// Copies the events of the log into a table like `events`, as one that sends them in order from one connection.
async fn copy(pool: &PgPool) -> Result<Duration, Failure> {
    sqlx::raw_sql("CREATE TABLE copied (LIKE events INCLUDING ALL)").execute(pool).await?;
    let mut text = String::new();
    let lines: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(E'\\t', aggregate_type, aggregate_id, sequence, event_type, event_version,
                          replace(payload::text, '\\', '\\\\'), replace(metadata::text, '\\', '\\\\'), global_position,
                          event_id, tenant, actor, correlation_id, causation_id, recorded_at)
         FROM events WHERE aggregate_type = 'imported_attempt' ORDER BY global_position",
    )
    .fetch_all(pool)
    .await?;
    let began = Instant::now();
    let mut transaction = begin(pool).await?;
    let mut target = transaction.copy_in_raw("COPY copied FROM STDIN").await?;
    for chunk in lines.chunks(1_000) {
        text.clear();
        for line in chunk {
            let _ = writeln!(text, "{line}");
        }
        target.send(text.as_bytes()).await?;
    }
    target.finish().await?;
    transaction.commit().await?;
    Ok(began.elapsed())
}

fn row(subject: &str, rows: u32, took: Duration) -> Row {
    let per_second = f64::from(rows) / took.as_secs_f64();
    Row { per_second, events_per_second: Some(per_second), ..Row::new("import", subject, 1, vec![], took) }
}
