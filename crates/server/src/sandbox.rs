//! `baeum sandbox`: the schemas into which read models were replayed.

use baeum_eventlog::EventLog;
use baeum_projections::rebuild::{Sandbox, SandboxError, SandboxName, drop_sandbox, sandboxes};
use clap::Subcommand;

use crate::output::tell;

/// What is wanted of the sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Each sandbox with its read models and how far they are
    List,
    /// Drop a sandbox with everything in it
    Drop {
        /// The sandbox
        name: SandboxName,
    },
}

/// Does it.
///
/// # Errors
/// An unknown sandbox, one that is being worked on, or a failing database.
pub(crate) async fn run(log: &EventLog, command: &SandboxCommand) -> Result<(), SandboxError> {
    match command {
        SandboxCommand::List => {
            for Sandbox { schema, projection, version, target, position, updated_at, .. } in
                sandboxes(log.pool()).await?
            {
                let left = if position < target { format!(" of {target}, not finished") } else { String::new() };
                tell(format_args!(
                    "{schema}: {projection} (version {version}) at position {position}{left}, {}",
                    updated_at.format("%Y-%m-%d %H:%M UTC")
                ));
            }
        }
        SandboxCommand::Drop { name } => {
            drop_sandbox(log, name).await?;
            tell(format_args!("the sandbox '{name}' is dropped"));
        }
    }
    Ok(())
}
