//! Sealing, for benchmarks: a key, a sealer that runs for as long as it is wanted, and what it has come to.

use std::time::{Duration, Instant};

use baeum_eventlog::{
    EventLog,
    sealer::{self, SealOptions},
};
use baeum_proof::{Signer, VerifierKey};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// The sealer of a log, at work in this process.
pub(crate) struct Sealing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sealing {
    /// Starts it; there is a checkpoint each `interval`.
    pub(crate) fn start(log: &EventLog, interval: Duration) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let options = SealOptions { signer: signer()?, interval, witnesses: vec![] };
        Ok(Self { task: tokio::spawn(sealer::run(log.clone(), options, stop.clone())), stop })
    }

    /// Ends it, which gives its lease back.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

fn signer() -> Result<Signer, Failure> {
    Ok(Signer::from_seed(&[7; 32], "bench.example/shard-0")?)
}

/// What verifies its signatures.
pub(crate) fn verifier() -> Result<VerifierKey, Failure> {
    Ok(signer()?.verifier().clone())
}

/// Waits until everything that is appended is sealed, with a checkpoint; for how long.
pub(crate) async fn all_sealed(log: &EventLog) -> Result<Duration, Failure> {
    let began = Instant::now();
    loop {
        let lag = sealer::lag(log).await?;
        if let Some(misfit) = lag.misfit {
            return Err(misfit.into());
        }
        let signed: Option<i64> =
            sqlx::query_scalar("SELECT max(size) FROM seal_checkpoints").fetch_one(log.pool()).await?;
        if lag.events == 0 && signed.unwrap_or(0) == lag.sealed {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
