//! The benchmarks of Baeum. Each measures something beside a peer in the same run; see `docs/performance.md`.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod evaluate;
mod history;
mod rebuild;
mod report;
mod world;

use std::{fs::File, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of Baeum. They use the Postgres of `DATABASE_URL`, or the one of this machine.
#[derive(Parser)]
struct CommandLine {
    /// Writes each row as a line of JSON to this file too
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The evaluator alone, and in the command path beside the same path without a model
    Evaluate {
        /// How many answers are evaluated in each row
        #[arg(long, default_value_t = 1_000)]
        answers: usize,
    },
    /// Rebuilding a read model, beside reading the same events
    Rebuild {
        /// How many events the log has
        #[arg(long, default_value_t = 1_000_000)]
        events: i64,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::parse();
    let rows = match line.bench {
        Bench::Evaluate { answers } => evaluate::run(answers).await,
        Bench::Rebuild { events } => rebuild::run(events).await,
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    print!("{}", report::markdown(&rows));
    if let Some(path) = line.json {
        let written = File::create(&path).and_then(|mut file| file.write_all(report::json_lines(&rows).as_bytes()));
        if let Err(error) = written {
            eprintln!("error: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
