//! `baeum audit`: the log as files that prove themselves, and whether they do.

pub(crate) mod key;
mod verify;

use std::path::{Path, PathBuf};

use baeum_domain::position::Shard;
use baeum_eventlog::{
    EventLog,
    sealer::{self, ExportError, ProofError},
};
use clap::Subcommand;
use serde_json::json;

use key::KeyFileError;

use crate::{config::Config, output::tell};

/// What an auditor wants.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write events, tree and checkpoints of the log into a folder, for `verify` or tools of others
    Export {
        /// A new or empty folder; with more than one shard each gets a folder in it
        folder: PathBuf,
        /// Only the events from this position on; the tree is whole all the same
        #[arg(long, value_name = "POSITION")]
        from: Option<i64>,
    },
    /// Verify an exported folder: no database, no server. Ends with 0 only when the log is honest
    Verify {
        /// The folder that `export` wrote
        folder: PathBuf,
        /// File of the log's verifier keys, a line each; give it again for further files
        #[arg(long, value_name = "FILE", required = true)]
        key: Vec<PathBuf>,
        /// File of checkpoints that a witness kept; give it again for further witnesses
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
    /// Print, as JSON, the proof that an event is in the log
    Prove {
        /// Position of the event
        position: i64,
        /// Size of the tree to prove it to; that of the latest checkpoint where it is not given
        #[arg(long, value_name = "EVENTS")]
        size: Option<u64>,
    },
    /// Print the verifier key of the log, of each shard a line: what `verify` needs. It is no secret
    Key {
        /// Make a new private key and write it to this file first
        #[arg(long, value_name = "FILE")]
        new: Option<PathBuf>,
    },
}

/// Why it was not done, or the log is not honest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditCommandError {
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Verify(#[from] baeum_proof::audit::AuditError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Prove(#[from] ProofError),
    #[error("position {0} is in no shard of this process: see BAEUM_SHARDS (--shards) and --shard")]
    NoShard(i64),
    #[error("--from {0}: with more than one shard, say which one with --shard")]
    WhichShard(i64),
}

/// What needs no database.
///
/// # Errors
/// A wrong log, or a file that cannot be used.
pub(crate) fn run_on_files(config: &Config, command: &AuditCommand) -> Result<(), AuditCommandError> {
    match command {
        AuditCommand::Verify { folder, key, witness } => verify::run(folder, key, witness),
        AuditCommand::Key { new } => Ok(key::print(config, new.as_deref())?),
        AuditCommand::Export { .. } | AuditCommand::Prove { .. } => Ok(()),
    }
}

/// What needs one.
///
/// # Errors
/// A folder that cannot be written, a position that there is not, or a failing database.
pub(crate) async fn run_on_logs(logs: &[EventLog], command: &AuditCommand) -> Result<(), AuditCommandError> {
    match command {
        AuditCommand::Export { from: Some(from), .. } if logs.len() > 1 => Err(AuditCommandError::WhichShard(*from)),
        AuditCommand::Export { folder, from } => {
            for log in logs {
                let folder = match logs.len() {
                    1 => folder.clone(),
                    _ => folder.join(format!("shard-{}", log.shard())),
                };
                export(log, &folder, *from).await?;
            }
            Ok(())
        }
        AuditCommand::Prove { position, size } => {
            let shard = Shard::of(*position).filter(|_| *position > 0);
            let log = logs.iter().find(|log| Some(log.shard()) == shard);
            let log = log.ok_or(AuditCommandError::NoShard(*position))?;
            let it = log.prove_inclusion(*position, *size).await?;
            let proof = json!({
                "position": it.position, "index": it.index, "size": it.size, "root": it.root, "leaf_hash": it.leaf,
                "hashes": it.path, "record": it.record, "checkpoint": it.checkpoint,
            });
            tell(format_args!("{proof:#}"));
            Ok(())
        }
        AuditCommand::Verify { .. } | AuditCommand::Key { .. } => Ok(()),
    }
}

async fn export(log: &EventLog, folder: &Path, from: Option<i64>) -> Result<(), ExportError> {
    let mut connection = log.pool().acquire().await?;
    let it = sealer::export(&mut connection, folder, from).await?;
    let head = it.first + i64::try_from(it.events).unwrap_or(i64::MAX) - 1;
    let unsealed = (head - log.floor()).unsigned_abs().saturating_sub(it.sealed);
    tell(format_args!(
        "{}: {} events from position {} on, {} checkpoints; {unsealed} events after the latest checkpoint are not \
         proven yet",
        folder.display(),
        it.events,
        it.first,
        it.checkpoints
    ));
    Ok(())
}
