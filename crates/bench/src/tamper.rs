//! Tampering: whoever owns the database changes the log in one of many ways, hides it as well as they can without the
//! key, and an auditor verifies what is exported. Each change is rolled back, so that every trial meets the same log.

mod deed;

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use baeum_eventlog::{EventLog, Options, begin, sealer::export};
use baeum_proof::{
    VerifierKey,
    audit::{AuditError, Finding, Folder, verify},
};
use baeum_testing::{TestClock, TestDatabase};
use clap::Args;
use sqlx::{PgConnection, PgPool};
use tempfile::TempDir;

use crate::{
    Failure,
    history::write_history,
    sealing::{Sealing, all_sealed, verifier},
    servers::tell,
};
use deed::{Deed, KINDS, Ledger};

/// What can be asked of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tamper {
    /// How many trials; every tenth leaves the log as it is
    #[arg(long, default_value_t = 1_000)]
    trials: usize,
    /// What the trials are drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many events the log has, about
    #[arg(long, default_value_t = 3_000)]
    events: i64,
}

/// What became of the trials of one kind.
#[derive(Default)]
struct Tally {
    trials: usize,
    /// Found at the very position.
    exact: usize,
    /// Found within a stretch that holds it.
    within: usize,
    /// How long those stretches were together.
    stretch: i64,
    /// Not found, or elsewhere.
    missed: usize,
}

/// Prints a table by kind; fails when anything was missed, or an honest log was not believed.
pub(crate) async fn run(tamper: &Tamper) -> Result<(), Failure> {
    let database = TestDatabase::create().await;
    let mut random = fastrand::Rng::with_seed(tamper.seed);
    let ledger = write(&database.pool, tamper.events, &mut random).await?;
    let folder = tempfile::tempdir()?;
    let witness = folder.path().join("witness");
    let notes: Vec<String> =
        sqlx::query_scalar("SELECT note FROM seal_checkpoints ORDER BY size").fetch_all(&database.pool).await?;
    std::fs::write(&witness, notes.join("\n"))?;
    let auditor = Auditor { keys: vec![verifier()?], witnesses: vec![witness] };
    tell(&format!("tamper: {} events, {} checkpoints", ledger.last(), ledger.sizes.len()));

    let mut tallies: BTreeMap<&'static str, Tally> = BTreeMap::new();
    let mut failures = vec![];
    for trial in 0..tamper.trials {
        if trial % 100 == 0 {
            tell(&format!("tamper: trial {trial} of {}", tamper.trials));
        }
        let kind = if trial % 10 == 0 { None } else { Some(KINDS[random.usize(..KINDS.len())]) };
        let name = kind.map_or("(honest)", |(name, _)| name);
        let tally = tallies.entry(name).or_default();
        tally.trials += 1;
        let mut change = begin(&database.pool).await?;
        let triggers = "ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE seal_checkpoints DISABLE TRIGGER ALL";
        sqlx::raw_sql(triggers).execute(&mut *change).await?;
        let wrong = match kind {
            Some((_, kind)) => Some(Deed::new(&mut change, &ledger, &mut random).do_it(kind).await?),
            None => None,
        };
        let found = auditor.audit(&mut change).await?;
        change.rollback().await?;
        match (wrong, found) {
            (None, None) => tally.exact += 1,
            (Some(wrong), Some(found)) if holds(&found, wrong) => match found.up_to {
                Some(last) if last > found.position => {
                    tally.within += 1;
                    tally.stretch += last - found.position + 1;
                }
                _ => tally.exact += 1,
            },
            (wrong, found) => {
                tally.missed += 1;
                failures.push(format!("trial {trial}, {name}: wrong at {wrong:?}, found {found:?}"));
            }
        }
    }
    println!("{}", table(&tallies));
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn holds(found: &Finding, wrong: i64) -> bool {
    (found.position..=found.up_to.unwrap_or(found.position)).contains(&wrong)
}

/// Writes a log step by step, with a checkpoint after each.
async fn write(pool: &PgPool, events: i64, random: &mut fastrand::Rng) -> Result<Ledger, Failure> {
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(pool.clone(), clock, None, Options::default()).await?;
    let mut sizes = vec![];
    let sealing = Sealing::start(&log, Duration::from_millis(10))?;
    while sizes.last().is_none_or(|last| *last < events) {
        write_history(pool, random.i64(20..150)).await?;
        all_sealed(&log).await?;
        sizes.push(log.head().await?);
    }
    sealing.stop().await?;
    // The sealer may have signed in between.
    let sizes = sqlx::query_scalar("SELECT size FROM seal_checkpoints ORDER BY size").fetch_all(pool).await?;
    Ok(Ledger { sizes })
}

/// Who verifies.
struct Auditor {
    keys: Vec<VerifierKey>,
    witnesses: Vec<PathBuf>,
}

impl Auditor {
    async fn audit(&self, db: &mut PgConnection) -> Result<Option<Finding>, Failure> {
        let folder = TempDir::new()?;
        let path = folder.path().join("log");
        export(db, &path, None).await?;
        match verify(&Folder::new(path), &self.keys, &self.witnesses) {
            Ok(_) => Ok(None),
            Err(AuditError::Wrong(finding)) => Ok(Some(finding)),
            Err(other) => Err(other.into()),
        }
    }
}

fn table(tallies: &BTreeMap<&'static str, Tally>) -> String {
    let mut text = String::from(
        "| what was done | trials | found at the position | found between two checkpoints | mean stretch | missed |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut sum = Tally::default();
    let mut line = |name: &str, it: &Tally| {
        let mean = i64::try_from(it.within).ok().filter(|it| *it > 0).map(|within| it.stretch / within);
        let mean = mean.map_or("–".to_owned(), |it| it.to_string());
        let Tally { trials, exact, within, missed, .. } = it;
        let _ = writeln!(text, "| {name} | {trials} | {exact} | {within} | {mean} | {missed} |");
    };
    for (name, it) in tallies {
        line(name, it);
        sum.trials += it.trials;
        sum.exact += it.exact;
        sum.within += it.within;
        sum.stretch += it.stretch;
        sum.missed += it.missed;
    }
    line("together", &sum);
    text
}
