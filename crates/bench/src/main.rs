//! The benchmarks of Baeum. Each measures something beside a peer in the same run; see `docs/performance.md`.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod append;
mod billing;
mod command;
mod conditions;
mod drive;
mod evaluate;
mod experiment;
mod export;
mod growth;
mod history;
mod import;
mod irt;
mod live;
mod load;
mod rebuild;
mod relay;
mod report;
mod seal;
mod sealing;
mod servers;
mod tamper;
mod workbook;
mod world;

use std::{error::Error, fs::File, io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use drive::Window;
use report::Row;
use servers::tell;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a benchmark may fail with: it is told and ends.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Benchmarks of Baeum. They use the servers of DATABASE_URL and NATS_URL, or start private ones with durable commits.
#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    bench: Bench,
}

/// What holds for every benchmark.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Writes each row as a line of JSON to this file too
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
    /// For how long each row is measured, after its warm-up
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, global = true)]
    seconds: f64,
}

impl Settings {
    /// The time of one of `rounds` rounds.
    pub(crate) fn window(&self, rounds: u32) -> Window {
        let measured = Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0)) / rounds;
        Window { warm_up: measured / 5, measured }
    }
}

#[derive(Clone, Subcommand)]
enum Bench {
    /// Two events a command by 1, 64 and 512 clients, beside cqrs-es + postgres-es, disintegrate, message-db and COPY
    Append,
    /// Two shards on two servers beside one: a part of append
    Shards,
    /// The full command over HTTP by 64 and 512 connections, beside the log's own rate with the same commands
    Command,
    /// Loading aggregates of 10 and 1,000 events, with and without snapshot, beside cqrs-es + postgres-es
    Load,
    /// The evaluator alone, in the command path beside the same path without a model, and served to many at once
    Evaluate(evaluate::Evaluate),
    /// Two real evaluators compared by simulated learners who are divided by chance
    Experiment(experiment::Options),
    /// From an acknowledged append to the read model, at 1,000 commands a second, in one process and through JetStream
    Live {
        /// For how long
        #[arg(long = "for", value_name = "SECONDS", default_value_t = 20)]
        duration: u32,
    },
    /// Rebuilding a read model, beside reading the same events
    Rebuild {
        /// How many events the log has
        #[arg(long, default_value_t = 1_000_000)]
        events: i64,
    },
    /// Carrying the log to JetStream, beside publishing the same messages with the client of NATS
    Relay {
        /// How many events the log has
        #[arg(long, default_value_t = 200_000)]
        events: i64,
    },
    /// Calibrating items on simulated answers of three sizes, with one thread and with all; it needs no servers
    Irt {
        /// How often each calibration is repeated
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// What the answers are drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Exporting a log as Parquet, beside COPY of the same events as CSV
    Export {
        /// How many events the log has
        #[arg(long, default_value_t = 1_000_000)]
        events: i64,
        /// Leaves the export in this folder
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
    },
    /// Importing past attempts from CSV, beside COPY of the same rows, and importing them again
    Import {
        /// How many rows the file has
        #[arg(long, default_value_t = 1_000_000)]
        rows: u32,
    },
    /// Billing runs from the end of a period to its payment, through a gateway over HTTP, beside bare appends
    Billing {
        /// How many subscribers are billed each month
        #[arg(long, default_value_t = 1_000)]
        subscribers: usize,
    },
    /// Appending to and rebuilding from logs of 0.1 and 1 million events, or more
    Growth(growth::Growth),
    /// Appending to a log that is sealed beside one that is not; sealing, proving and verifying a log of a million events
    Seal(seal::Seal),
    /// Changes of the log by whoever owns the database, and whether an auditor finds each at its position
    Tamper(tamper::Tamper),
    /// All that need servers
    All,
    /// A process of a benchmark
    #[command(hide = true)]
    Worker(append::processes::Share),
}

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::parse();
    if let Bench::Irt { rounds, seed } = line.bench {
        return match irt::run(rounds, seed, line.settings.json.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tell(&format!("error: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    // A folder without a model is told before servers are started for it.
    if let Bench::Evaluate(evaluate) = &line.bench
        && let Err(error) = evaluate.check()
    {
        tell(&format!("error: {error}"));
        return ExitCode::FAILURE;
    }
    let done = if servers::are_given() { run(line).await } else { servers::run_with_own().await };
    done.unwrap_or_else(|error| {
        tell(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

async fn run(line: CommandLine) -> Result<ExitCode, Failure> {
    let settings = line.settings;
    let benches = match line.bench {
        Bench::Tamper(tamper) => return tamper::run(&tamper).await.map(|()| ExitCode::SUCCESS),
        Bench::Worker(share) => return append::processes::work(share).await.map(|()| ExitCode::SUCCESS),
        Bench::All => {
            let rebuild = Bench::Rebuild { events: 1_000_000 };
            let live = Bench::Live { duration: 20 };
            let relay = Bench::Relay { events: 200_000 };
            let growth = Bench::Growth(growth::Growth::default());
            let evaluate = Bench::Evaluate(evaluate::Evaluate::default());
            vec![Bench::Append, Bench::Command, Bench::Load, live, rebuild, relay, growth, evaluate]
        }
        one => vec![one],
    };
    let conditions = conditions::describe().await?;
    let mut rows = vec![];
    for bench in benches {
        rows.extend(measure(bench, &settings).await?);
    }
    print!("{conditions}\n{}", report::markdown(&rows));
    if let Some(path) = &settings.json {
        let mut file = File::create(path).map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
        file.write_all(report::json_lines(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One benchmark: a module each.
async fn measure(bench: Bench, settings: &Settings) -> Result<Vec<Row>, Failure> {
    match bench {
        Bench::Append => append::run(settings).await,
        Bench::Shards => append::shards::run(settings).await,
        Bench::Command => command::run(settings).await,
        Bench::Load => load::run(settings).await,
        Bench::Live { duration } => live::run(duration).await,
        Bench::Rebuild { events } => rebuild::run(events).await,
        Bench::Relay { events } => relay::run(events).await,
        Bench::Export { events, keep } => export::run(events, keep).await,
        Bench::Import { rows } => import::run(rows).await,
        Bench::Billing { subscribers } => billing::run(subscribers, settings).await,
        Bench::Growth(growth) => growth::run(&growth, settings).await,
        Bench::Seal(seal) => seal::run(&seal, settings).await,
        Bench::Evaluate(evaluate) => evaluate::run(&evaluate).await,
        Bench::Experiment(options) => experiment::run(&options).await.map(|()| vec![]),
        Bench::All | Bench::Irt { .. } | Bench::Tamper(_) | Bench::Worker(_) => Ok(vec![]),
    }
}
