//! `baeum export` and `baeum import`: the log and the read models out to analysts, past attempts in. Both work on the
//! database, as `baeum replay` does.

mod export;
mod import;

use std::sync::Arc;

use baeum_exchange::{export::ExportError, import::ImportError};
use baeum_projections::Projection;
use tokio_util::sync::CancellationToken;

use crate::{config::Command, projections::OperatedShard};

pub(crate) use self::{export::ExportOptions, import::ImportOptions};

/// Why nothing was exported or imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The import.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The tenant has no log here.
    #[error("there is no tenant '{given}': choose one of {known}")]
    Tenant {
        /// Who was asked for.
        given: String,
        /// Whose logs there are.
        known: String,
    },
    /// A signal came.
    #[error("stopped; what was done stays, and running it again goes on")]
    Stopped,
}

/// Does what is wanted, with each shard or with that of the tenant.
///
/// # Errors
/// Whatever keeps it from that, and a signal.
pub(crate) async fn run(
    shards: &[OperatedShard],
    registry: &[Arc<dyn Projection>],
    command: &Command,
    stop: &CancellationToken,
) -> Result<(), ExchangeError> {
    let done = async {
        match command {
            Command::Export(options) => export::run(shards, registry, options).await,
            Command::Import(options) => import::run(shards, options).await,
            _ => Ok(()),
        }
    };
    stop.run_until_cancelled(done).await.unwrap_or(Err(ExchangeError::Stopped))
}
