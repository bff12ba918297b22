//! Sealing: what it costs the appends that go on meanwhile, whether it keeps up with them, and what proofs of a large log
//! cost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_eventlog::{
    EventLog, Options,
    sealer::{export, lag},
};
use baeum_proof::{EventRecord, audit, consistency, inclusion};
use baeum_testing::{TestClock, TestDatabase};
use clap::Args;

use crate::{
    Failure, Settings,
    append::{CONNECTIONS, Store as _, ours::Ours},
    drive::{Measured, drive},
    history::write_history,
    report::Row,
    sealing::{Sealing, all_sealed, verifier},
    servers::tell,
};

/// How many clients append.
const CLIENTS: usize = 512;
/// How often each log has its turn.
const ROUNDS: u32 = 6;
/// How often there is a checkpoint: as it is where nobody says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many proofs are made.
const PROOFS: usize = 1_000;

/// What can be asked of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Seal {
    /// How many million events the log has that proofs are made of; 0 for none
    #[arg(long, default_value_t = 1)]
    million: i64,
    /// Which events are proven
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// All rows; what is no rate goes to stdout.
pub(crate) async fn run(seal: &Seal, settings: &Settings) -> Result<Vec<Row>, Failure> {
    let mut rows = cost(settings).await?;
    if seal.million > 0 {
        rows.extend(proofs(seal).await?);
    }
    Ok(rows)
}

/// Appends to a log that is sealed beside one that is not, in turn.
async fn cost(settings: &Settings) -> Result<Vec<Row>, Failure> {
    let (bare, sealed) = (TestDatabase::create().await, TestDatabase::create().await);
    let bare_log = Ours::open(&bare.url(), CONNECTIONS, true).await?;
    let sealed_log = Ours::open(&sealed.url(), CONNECTIONS, true).await?;
    let window = settings.window(ROUNDS);
    let clients = |log: &Ours| (0..CLIENTS).map(|index| log.client(index)).collect();
    let (mut without, mut with) = (Measured::default(), Measured::default());
    let (mut ratios, mut left, mut caught_up) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let mut rates = [0, 0];
        for turn in 0..2 {
            // Each is first as often as the other, so that what the machine does meanwhile meets both.
            if (turn + round) % 2 == 0 {
                tell(&format!("seal: round {round}, without a sealer"));
                let measured = drive(clients(&bare_log), window).await?;
                rates[0] = measured.latencies.len();
                without.extend(measured);
            } else {
                tell(&format!("seal: round {round}, with a sealer"));
                let sealing = Sealing::start(sealed_log.log(), INTERVAL)?;
                let measured = drive(clients(&sealed_log), window).await?;
                left.push(lag(sealed_log.log()).await?.events);
                caught_up.push(all_sealed(sealed_log.log()).await?);
                sealing.stop().await?;
                rates[1] = measured.latencies.len();
                with.extend(measured);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
        ratios.push(rates[1] as f64 / rates[0] as f64);
    }
    ratios.sort_by(f64::total_cmp);
    let median = f64::midpoint(ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
    println!(
        "cost of sealing: {:.1} % of the append rate (median of {ROUNDS} rounds; rate with over rate without: {ratios:.3?})",
        (1.0 - median) * 100.0
    );
    println!("events not sealed when appending ended: {left:?}; sealed after {caught_up:.2?}");
    let row = |name: &str, it: Measured| Row::new("seal", name, CLIENTS, it.latencies, it.took).with_events(2.0);
    let without = row("append without a sealer", without);
    Ok(vec![row("append with a sealer", with).beside(&without), without])
}

/// Sealing, proving, exporting and verifying a large log.
async fn proofs(seal: &Seal) -> Result<Vec<Row>, Failure> {
    let events = seal.million * 1_000_000;
    tell(&format!("seal: writing {} million events", seal.million));
    let database = TestDatabase::create().await;
    write_history(&database.pool, events).await?;
    sqlx::raw_sql("VACUUM (FREEZE, ANALYZE) events").execute(&database.pool).await?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
    let mut rows = vec![];

    tell("seal: sealing them");
    let sealing = Sealing::start(&log, INTERVAL)?;
    let took = all_sealed(&log).await?;
    sealing.stop().await?;
    rows.push(of_all("sealing a log that is there", events, took));

    tell("seal: proving");
    let mut random = fastrand::Rng::with_seed(seal.seed);
    let (mut made, mut verified, mut hashes) = (vec![], vec![], 0);
    for _ in 0..PROOFS {
        let position = random.i64(1..=events);
        let began = Instant::now();
        let it = log.prove_inclusion(position, None).await?;
        made.push(began.elapsed());
        let began = Instant::now();
        let right = inclusion::verify(EventRecord::leaf(&it.record), it.index, it.size, &it.path, it.root);
        verified.push(began.elapsed());
        hashes = hashes.max(it.path.len());
        if !right {
            return Err(format!("the proof of position {position} is not right").into());
        }
    }
    rows.push(of_each(format!("inclusion proof among {events} events, made"), made));
    rows.push(of_each(format!("inclusion proof among {events} events, verified"), verified));
    println!("an inclusion proof among {events} events: {hashes} hashes at most, {} bytes", hashes * 32);
    let (mut made, mut verified, mut hashes) = (vec![], vec![], 0);
    for _ in 0..PROOFS {
        let from = random.u64(1..=events.unsigned_abs());
        let began = Instant::now();
        let it = log.prove_consistency(from, None).await?;
        made.push(began.elapsed());
        let began = Instant::now();
        let right = consistency::verify(it.from, it.from_root, it.to, it.to_root, &it.path);
        verified.push(began.elapsed());
        hashes = hashes.max(it.path.len());
        if !right {
            return Err(format!("the proof from {from} on is not right").into());
        }
    }
    rows.push(of_each(format!("consistency proof among {events} events, made"), made));
    rows.push(of_each(format!("consistency proof among {events} events, verified"), verified));
    println!("a consistency proof among {events} events: {hashes} hashes at most, {} bytes", hashes * 32);

    tell("seal: exporting and verifying");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log");
    let began = Instant::now();
    let mut connection = database.pool.acquire().await?;
    export(&mut connection, &path, None).await?;
    rows.push(of_all("exporting it", events, began.elapsed()));
    let began = Instant::now();
    let found = audit::verify(&audit::Folder::new(&path), &[verifier()?], &[])?;
    rows.push(of_all("verifying the export", events, began.elapsed()));
    println!("size {}, root {}", found.size, found.root);
    let tiles: i64 =
        sqlx::query_scalar("SELECT pg_total_relation_size('seal_tiles')").fetch_one(&database.pool).await?;
    println!("the tree takes {tiles} bytes, {} an event", tiles / events);
    Ok(rows)
}

fn of_each(name: String, latencies: Vec<Duration>) -> Row {
    let took = latencies.iter().sum();
    Row::new("seal", name, 1, latencies, took)
}

#[allow(clippy::cast_precision_loss, reason = "a rate is a float")]
fn of_all(name: &str, events: i64, took: Duration) -> Row {
    let per_second = events as f64 / took.as_secs_f64();
    Row { per_second, events_per_second: Some(per_second), ..Row::new("seal", name, 1, vec![], took) }
}
