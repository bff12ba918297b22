//! The sealer: keeps a Merkle tree over the log, off the path of appends, and signs what it has come to.
//!
//! It follows the dense positions: leaf number `position - floor - 1` is the event at `position`. Tiles, size and
//! checkpoint move in one statement, which only the sealer of the latest lease can do, from the size that it believes: so
//! it may be killed, stalled or doubled anywhere. Before it goes on it looks whether the stored tree still fits the log;
//! where it does not, it says so and waits for a person.

mod check;
mod export;
mod lag;
mod prove;
mod records;
mod store;
mod witness;

use std::{sync::Arc, time::Duration};

use baeum_proof::{Checkpoint, EventRecord, Hash, RecordError, Signer, Tile, Tree};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use self::{
    export::{ExportError, Exported, export},
    lag::{Lag, lag, watch_lag},
    prove::{Consistency, Inclusion, ProofError},
    witness::{Witness, WitnessError},
};
use self::{records::Moment, store::Store};
use crate::{
    EventLog,
    lease::{Lease, RENEW_EVERY},
};

/// How many events are sealed in one statement, at most.
const PAGE: i64 = 8_192;
/// How often a sealer that waits for its turn asks for the lease.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Shortest and longest pause after an interruption.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often a sealer that found the tree not to fit looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How the log is to be sealed.
#[derive(Clone)]
pub struct SealOptions {
    /// Signs as the log's origin, which is the name of its key.
    pub signer: Signer,
    /// How often there is a checkpoint, when there is news.
    pub interval: Duration,
    /// Who is shown each checkpoint.
    pub witnesses: Vec<Arc<dyn Witness>>,
}

/// Why the log was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The database failed.
    #[error("the log cannot be read or its seal not be written: {0}")]
    Database(#[from] sqlx::Error),
    /// The stored tree does not fit the log: someone changed one of them.
    #[error("the log does not fit its seal: {0}. Nothing more is sealed until it fits: see docs/audit.md")]
    Misfit(String),
    /// An event that the log never writes.
    #[error("the event at position {position} cannot be sealed: {source}")]
    Event {
        /// Which.
        position: i64,
        /// Why.
        source: RecordError,
    },
}

/// Why a sealer no longer goes on as it did.
enum Ended {
    Stopped,
    /// Another sealer has taken over.
    Replaced,
    Failed(SealError),
}

impl<E: Into<SealError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Seals until `stop`. What fails is tried again; nothing is skipped.
pub async fn run(log: EventLog, options: SealOptions, stop: CancellationToken) {
    let lease = Lease::new(log.pool.clone(), "seal", log.clock.new_id());
    let sealer = Sealer { shard: log.shard().to_string(), log, lease, options };
    let mut pause = PAUSES.0;
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            ended = sealer.session() => ended,
            () = stop.cancelled() => Ended::Stopped,
        };
        match ended {
            Ended::Stopped => break,
            Ended::Replaced => {
                tracing::info!("another sealer has taken over");
                pause = PAUSES.0;
            }
            Ended::Failed(error @ SealError::Database(_)) => {
                tracing::warn!(%error, "the sealer was interrupted and tries again");
                pause = (pause * 2).min(PAUSES.1);
            }
            Ended::Failed(error) => {
                tracing::error!(%error, shard = sealer.shard, "the log is not sealed any further");
                pause = LOOK_AGAIN;
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => break,
        }
    }
    let _ = timeout(PAUSES.1, sealer.lease.release()).await;
}

struct Sealer {
    log: EventLog,
    shard: String,
    lease: Lease,
    options: SealOptions,
}

impl Sealer {
    /// Seals for as long as the lease is held and nothing fails.
    async fn session(&self) -> Ended {
        let epoch = match self.turn().await {
            Ok(epoch) => epoch,
            Err(error) => return error.into(),
        };
        let store = Store { pool: &self.log.pool, epoch };
        let origin = self.options.signer.verifier().name();
        let began = async {
            let Some(size) = store.claim(origin).await? else { return Ok(None) };
            self.check(&store, size).await.map(Some)
        };
        let tree = match began.await {
            Ok(Some(tree)) => tree,
            Ok(None) => {
                let _ = self.lease.release().await;
                return Ended::Replaced;
            }
            Err(error) => return self.parked(&store, error).await,
        };
        tracing::info!(origin, size = tree.size(), epoch, "sealing");
        let ended = tokio::select! {
            ended = self.follow(&store, tree) => ended,
            ended = self.keep_lease(epoch) => ended,
            never = self.show_witnesses() => match never {},
        };
        match ended {
            Ended::Failed(error) => self.parked(&store, error).await,
            other => other,
        }
    }

    /// Notes why it does not go on, where a person has to do something about it.
    async fn parked(&self, store: &Store<'_>, error: SealError) -> Ended {
        if !matches!(error, SealError::Database(_)) {
            let _ = store.note_misfit(Some(&error.to_string())).await;
        }
        Ended::Failed(error)
    }

    async fn turn(&self) -> Result<i64, sqlx::Error> {
        loop {
            if let Some(epoch) = self.lease.epoch().await? {
                return Ok(epoch);
            }
            sleep(ASK_EVERY).await;
        }
    }

    async fn keep_lease(&self, epoch: i64) -> Ended {
        loop {
            sleep(RENEW_EVERY).await;
            match self.lease.epoch().await {
                Ok(held) if held == Some(epoch) => {}
                Ok(_) => return Ended::Replaced,
                Err(error) => return error.into(),
            }
        }
    }

    /// Looks whether the stored tree fits the log, the latest checkpoint and the witnesses.
    async fn check(&self, store: &Store<'_>, size: u64) -> Result<Tree, SealError> {
        let tree = check::check(&self.log, store, size, &self.options.signer).await?;
        for witness in &self.options.witnesses {
            self.check_witness(store, &tree, witness.as_ref()).await?;
        }
        store.note_misfit(None).await?;
        store.note_key(self.options.signer.verifier(), size).await?;
        Ok(tree)
    }

    /// Seals what is appended, until something ends it.
    async fn follow(&self, store: &Store<'_>, mut tree: Tree) -> Ended {
        let mut signed = Instant::now();
        let mut unsigned = tree.size() > store.latest_size().await.unwrap_or(0);
        loop {
            let began = Instant::now();
            loop {
                let before = tree.size();
                let (head, page) = match self.page(before).await {
                    Ok(found) => found,
                    Err(error) => return error.into(),
                };
                // A page that is full has more after it.
                let at_end = i64::try_from(page.len()).is_ok_and(|it| it < PAGE);
                let reached = after(&self.log, before) + i64::try_from(page.len()).unwrap_or(i64::MAX);
                if at_end && reached < head {
                    let why = format!("position {} is missing: the log goes up to {head}", reached + 1);
                    return SealError::Misfit(why).into();
                }
                unsigned |= !page.is_empty();
                let due = unsigned && (at_end || signed.elapsed() >= self.options.interval);
                if page.is_empty() && !due {
                    break;
                }
                let mut full = vec![];
                for leaf in page {
                    tree.push(leaf, |tile, hashes| full.push((tile, hashes)));
                }
                let note = due.then(|| self.checkpoint(&tree));
                match store.seal(before, &tree, full, note.as_deref()).await {
                    Ok(true) => {}
                    Ok(false) => return Ended::Replaced,
                    Err(error) => return error.into(),
                }
                metrics::counter!("baeum_seal_events_total", "shard" => self.shard.clone())
                    .increment(tree.size() - before);
                if due {
                    unsigned = false;
                    signed = Instant::now();
                }
                if at_end {
                    break;
                }
            }
            sleep_until(began + self.options.interval).await;
        }
    }

    fn checkpoint(&self, tree: &Tree) -> String {
        let signer = &self.options.signer;
        Checkpoint { origin: signer.verifier().name().to_owned(), size: tree.size(), root: tree.root() }.sign(signer)
    }

    /// The leaves of the next events after `size`, and the head of the log before they were read.
    async fn page(&self, size: u64) -> Result<(i64, Vec<Hash>), SealError> {
        let head = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&self.log.pool).await?;
        let after = after(&self.log, size);
        if head <= after {
            return Ok((head, vec![]));
        }
        let rows = sqlx::query(&format!("SELECT {} FROM events {}", records::ALL_COLUMNS, records::PAGE))
            .bind(after)
            .bind(after + PAGE)
            .bind(PAGE)
            .fetch_all(&self.log.pool)
            .await?;
        // Hashing thousands of events takes milliseconds, which no other task need wait for.
        let hashed = tokio::task::spawn_blocking(move || {
            let mut moment = Moment::default();
            let mut leaves = Vec::with_capacity(rows.len());
            for (due, row) in (after + 1..).zip(&rows) {
                let (position, canonical) = records::read(row, &mut moment)?;
                if position != due {
                    return Err(SealError::Misfit(format!("position {due} is missing: after it comes {position}")));
                }
                leaves.push(EventRecord::leaf(&canonical));
            }
            Ok((head, leaves))
        });
        hashed.await.unwrap_or(Err(SealError::Database(sqlx::Error::WorkerCrashed)))
    }
}

/// The position of the last event of a tree of `size` leaves.
fn after(log: &EventLog, size: u64) -> i64 {
    log.floor() + size.cast_signed()
}

/// The tiles of a tree that are asked for at once, from the database.
type Fetched = std::collections::HashMap<Tile, Vec<Hash>>;
