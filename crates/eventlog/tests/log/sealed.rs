//! A log that is sealed: what the tests of the seal share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use baeum_eventlog::{
    EventLog, begin,
    sealer::{self, SealOptions, Witness, lag},
};
use baeum_proof::{
    Signer, VerifierKey,
    audit::{AuditError, Folder, Verified, verify},
};
use baeum_testing::{TestDatabase, eventually};
use sqlx::{Postgres, Transaction};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{context, execute, goal, open, registered};

/// The name of a shard's log.
pub(crate) fn signer(log: &EventLog) -> Signer {
    Signer::from_seed(&[7; 32], &format!("school.example/shard-{}", log.shard())).expect("a key")
}

pub(crate) fn options(log: &EventLog) -> SealOptions {
    SealOptions { signer: signer(log), interval: Duration::from_millis(10), witnesses: vec![] }
}

/// A sealer in a task of its own.
pub(crate) struct Running {
    pub(crate) task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) fn start(log: &EventLog, options: SealOptions) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(sealer::run(log.clone(), options, stop.clone())), stop }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it ends");
    }
}

/// Waits until everything that is appended is sealed, with a checkpoint.
pub(crate) async fn all_sealed(log: &EventLog) {
    eventually("everything is sealed", async || {
        let size: Option<i64> =
            sqlx::query_scalar("SELECT max(size) FROM seal_checkpoints").fetch_one(log.pool()).await.expect("asked");
        let lag = lag(log).await.expect("asked");
        (lag.events == 0 && size.unwrap_or(0) == lag.sealed).then_some(())
    })
    .await;
}

/// Seals everything that there is; the sealer is gone afterwards.
pub(crate) async fn seal(log: &EventLog, witnesses: Vec<Arc<dyn Witness>>) {
    let sealer = Running::start(log, SealOptions { witnesses, ..options(log) });
    all_sealed(log).await;
    sealer.stop().await;
}

/// A log with a checkpoint after each of some steps.
pub(crate) struct Sealed {
    pub(crate) database: TestDatabase,
    pub(crate) log: EventLog,
}

impl Sealed {
    /// So many steps, each of so many events: two of each user.
    pub(crate) async fn of(steps: usize, events: usize) -> Self {
        let database = TestDatabase::create().await;
        let log = open(&database, None).await;
        for _ in 0..steps {
            for _ in 0..events / 2 {
                let id = registered(&log).await;
                execute(&log, &context(None), id, goal(20)).await.expect("changed");
            }
            seal(&log, vec![]).await;
        }
        Self { database, log }
    }

    /// The database as whoever owns it may change it; nothing of that is kept.
    pub(crate) async fn change(&self) -> Transaction<'static, Postgres> {
        let mut change = begin(&self.database.pool).await.expect("begun");
        let triggers = "ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE seal_checkpoints DISABLE TRIGGER ALL";
        sqlx::raw_sql(triggers).execute(&mut *change).await.expect("switched off");
        change
    }

    /// What an auditor finds after this change.
    pub(crate) async fn found(&self, sql: &str, witnesses: &[PathBuf]) -> Result<Verified, String> {
        let mut change = self.change().await;
        sqlx::raw_sql(sql).execute(&mut *change).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        audit(&mut change, &[signer(&self.log).verifier().clone()], witnesses).await
    }
}

/// What an auditor finds in the database as it is.
pub(crate) async fn audit(
    db: &mut sqlx::PgConnection,
    keys: &[VerifierKey],
    witnesses: &[PathBuf],
) -> Result<Verified, String> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log");
    sealer::export(db, &path, None).await.expect("exported");
    verify(&Folder::new(path), keys, witnesses).map_err(|error: AuditError| error.to_string())
}
