//! How cost grows with the log: appends and a rebuild on logs of 0.1, 1 and, where asked for, more million events; and
//! what the log costs at its largest, in bytes and in the plans of every query that it makes.

mod plans;
mod size;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_projections::{progress::progress::Progress, rebuild::rebuild};
use baeum_testing::TestDatabase;
use clap::Args;

use crate::{
    Failure, Settings,
    append::{CONNECTIONS, Store as _, ours::Ours},
    drive::{Measured, drive},
    history::write_history,
    report::Row,
    servers::tell,
};

/// How many clients append.
const CLIENTS: usize = 512;
/// How often each log has its turn: a log's figures come from the same minutes as the others'.
const ROUNDS: u32 = 3;
/// A rebuild is repeated until it has read so many events.
const REBUILT: i64 = 1_000_000;

/// What can be asked of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Growth {
    /// The largest log, in millions of events
    #[arg(long, default_value_t = 1)]
    million: i64,
    /// Also prints size and query plans of the largest log
    #[arg(long)]
    plans: bool,
    /// Leaves the largest log where it is: for a look at it on servers of your own
    #[arg(long)]
    keep: bool,
}

impl Default for Growth {
    fn default() -> Self {
        Self { million: 1, plans: false, keep: false }
    }
}

/// A log that is measured.
struct Log {
    name: String,
    events: i64,
    ours: Ours,
    database: TestDatabase,
}

/// All rows; sizes and plans go to stdout.
pub(crate) async fn run(growth: &Growth, settings: &Settings) -> Result<Vec<Row>, Failure> {
    let mut logs = vec![];
    for events in sizes(growth.million) {
        logs.push(Log::write(events).await?);
    }
    let mut rows = vec![];
    let mut rebuilds: Vec<Row> = vec![];
    for log in &logs {
        let row = log.rebuild().await?;
        rebuilds.push(match rebuilds.first() {
            Some(first) => row.beside(first),
            None => row,
        });
    }
    let mut sums = vec![Measured::default(); logs.len()];
    for _ in 0..ROUNDS {
        for (log, sum) in logs.iter().zip(&mut sums) {
            tell(&format!("growth: appending to {}", log.name));
            let clients = (0..CLIENTS).map(|index| log.ours.client(index)).collect();
            sum.extend(drive(clients, settings.window(ROUNDS)).await?);
        }
    }
    for (log, it) in logs.iter().zip(sums) {
        let row =
            Row::new("growth", format!("append to {}", log.name), CLIENTS, it.latencies, it.took).with_events(2.0);
        rows.push(match rows.first() {
            Some(first) => row.beside(first),
            None => row,
        });
    }
    rows.extend(rebuilds);
    if let Some(largest) = logs.pop() {
        if growth.plans {
            println!("{}", size::describe(largest.ours.log().pool()).await?);
            println!("{}", plans::describe(&largest.database.url()).await?);
        }
        if growth.keep {
            tell(&format!("growth: {} stays at {}", largest.name, largest.database.url()));
            std::mem::forget(largest.database);
        }
    }
    Ok(rows)
}

/// 0.1, 1 and `million` million events, each once.
fn sizes(million: i64) -> Vec<i64> {
    let mut sizes = vec![100_000, 1_000_000, million.max(1) * 1_000_000];
    sizes.dedup();
    sizes
}

impl Log {
    async fn write(events: i64) -> Result<Self, Failure> {
        let tenths = events / 100_000;
        let name = format!("a log of {}.{} million events", tenths / 10, tenths % 10);
        tell(&format!("growth: writing {name}"));
        let database = TestDatabase::create().await;
        write_history(&database.pool, events).await?;
        // As autovacuum leaves a log that has grown over time.
        sqlx::raw_sql("VACUUM (FREEZE, ANALYZE) events").execute(&database.pool).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&database.pool).await?;
        let ours = Ours::open(&database.url(), CONNECTIONS, true).await?;
        Ok(Self { name, events, ours, database })
    }

    async fn rebuild(&self) -> Result<Row, Failure> {
        let times = (REBUILT / self.events).max(1);
        let mut took = Duration::ZERO;
        for _ in 0..times {
            tell(&format!("growth: rebuilding progress from {}", self.name));
            let began = Instant::now();
            rebuild(self.ours.log(), Arc::new(Progress), |_, _| {}).await?;
            took += began.elapsed();
        }
        #[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
        let per_second = (self.events * times) as f64 / took.as_secs_f64();
        let empty = Row::new("growth", format!("rebuild of progress from {}", self.name), 1, vec![], took);
        Ok(Row { per_second, events_per_second: Some(per_second), ..empty })
    }
}
