//! Baeum: one binary, a role a subcommand.
//!
//! This crate puts the others together: it alone reads the configuration, the clock and the catalogue's files, opens
//! the database and the broker, and starts what the role asks for.

mod admin;
mod audit;
mod billing_policy;
mod calibrate;
mod carrier;
mod catalog;
mod clock;
mod config;
mod database;
mod demo;
#[cfg(feature = "embedded")]
mod embedded;
mod entropy;
mod erasure;
mod evaluators;
mod exchange;
mod gateway;
mod irt;
mod keys;
mod listen;
mod mastery;
mod model_command;
mod models;
mod notification;
mod output;
mod private_file;
mod projections;
mod query;
mod recommend;
mod replay;
mod reviews;
mod roles;
mod sandbox;
mod seal;
mod serving;
mod shards;
mod shutdown;
mod subject;
mod telemetry;
mod travel;
mod welcome;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    audit::AuditCommand,
    config::{Command, CommandLine, Config},
    roles::RunError,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code for a command line or environment that is wrong, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::from_command_line(CommandLine::parse()) {
        Ok(config) => config,
        Err(errors) => {
            for error in errors {
                eprintln!("error: {error}");
            }
            return ExitCode::from(USAGE);
        }
    };
    // Arithmetic on files: it needs no runtime, and a signal ends it as any program.
    if let Command::Irt(command) = &config.command {
        return match irt::run(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if let Command::Audit(command @ (AuditCommand::Verify { .. } | AuditCommand::Key { .. })) = &config.command {
        return match audit::run_on_files(&config, command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    telemetry::start_logging(config.log, &config.log_level);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: threads cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        let stop = shutdown::on_signal().map_err(RunError::Signals)?;
        roles::run(config, stop).await
    });
    // A thread that still waits for the embedded database must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
