//! Witnesses: who is shown each checkpoint outside the database, so that a tail which was cut off is missed.

use std::{convert::Infallible, time::Duration};

use baeum_proof::{Checkpoint, Tree};
use futures::future::{BoxFuture, join_all};
use tokio::time::sleep;

use super::{SealError, Sealer, check::root_at, store::Store};

/// How many checkpoints are shown at once.
const AT_ONCE: i64 = 500;
/// Longest pause after a witness did not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a witness was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the witness {witness} cannot be told: {why}")]
pub struct WitnessError {
    /// Which.
    pub witness: String,
    /// Why.
    pub why: String,
}

/// Somebody outside the database who keeps checkpoints.
pub trait Witness: Send + Sync {
    /// What tells it from others; no secret.
    fn name(&self) -> &str;

    /// The latest checkpoint of the log `origin` that it has, as far as it can be asked.
    fn latest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>>;

    /// Shows it checkpoints, oldest first. It may be shown one again.
    fn show(&self, notes: Vec<String>) -> BoxFuture<'_, Result<(), WitnessError>>;
}

impl Sealer {
    /// What a witness has seen must be a beginning of the tree: else the database was put back, or changed.
    pub(super) async fn check_witness(
        &self,
        store: &Store<'_>,
        tree: &Tree,
        witness: &dyn Witness,
    ) -> Result<(), SealError> {
        let name = witness.name();
        let note = match witness.latest(self.options.signer.verifier().name()).await {
            Ok(Some(note)) => note,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the witness is not asked what it has seen");
                return Ok(());
            }
        };
        let keys = [self.options.signer.verifier().clone()];
        // Of a key that was in use before, or of somebody else: auditors have that key, this process has not.
        let Ok(Checkpoint { size, root, .. }) = Checkpoint::verify(&note, &keys) else { return Ok(()) };
        if size > tree.size() {
            let sealed = tree.size();
            let what = format!("the witness {name} has seen {size} events, and {sealed} are sealed: was it put back?");
            return Err(SealError::Misfit(what));
        }
        if root_at(store, tree, size).await? != Some(root) {
            let what = format!("the witness {name} has a checkpoint of size {size} with another root");
            return Err(SealError::Misfit(what));
        }
        Ok(())
    }

    /// Shows every witness what is signed, for ever.
    pub(super) async fn show_witnesses(&self) -> Infallible {
        join_all(self.options.witnesses.iter().map(|witness| self.show(witness.as_ref()))).await;
        std::future::pending().await
    }

    async fn show(&self, witness: &dyn Witness) -> Infallible {
        let interval = self.options.interval;
        let mut pause = interval;
        loop {
            match self.show_news(witness).await {
                Ok(()) => pause = interval,
                Err(why) => {
                    metrics::counter!("baeum_seal_witness_errors_total", "shard" => self.shard.clone()).increment(1);
                    tracing::warn!(witness = witness.name(), why, "a witness is not told of the latest checkpoints");
                    pause = (pause * 2).clamp(interval, LONGEST_PAUSE.max(interval));
                }
            }
            sleep(pause).await;
        }
    }

    /// Shows what it has not been shown. Told twice is harmless, so the note of it may be lost.
    async fn show_news(&self, witness: &dyn Witness) -> Result<(), String> {
        let pool = &self.log.pool;
        // One that can tell what it has is believed; another got what is noted.
        let origin = self.options.signer.verifier().name();
        let own = witness.latest(origin).await.map_err(|error| error.to_string())?;
        let own = own.and_then(|note| Checkpoint::read(&note).ok()).map(|it| it.size.cast_signed());
        loop {
            let rows: Vec<(i64, String)> = sqlx::query_as(
                "SELECT size, note FROM seal_checkpoints
                 WHERE size > coalesce($3, (SELECT size FROM seal_witnesses WHERE witness = $1), 0)
                 ORDER BY size LIMIT $2",
            )
            .bind(witness.name())
            .bind(AT_ONCE)
            .bind(own)
            .fetch_all(pool)
            .await
            .map_err(|error| error.to_string())?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            let last = *last;
            let notes = rows.into_iter().map(|(_, note)| note).collect();
            witness.show(notes).await.map_err(|error| error.why)?;
            sqlx::query(
                "INSERT INTO seal_witnesses (witness, size) VALUES ($1, $2)
                 ON CONFLICT (witness) DO UPDATE SET size = excluded.size",
            )
            .bind(witness.name())
            .bind(last)
            .execute(pool)
            .await
            .map_err(|error| error.to_string())?;
            if own.is_some() {
                return Ok(());
            }
        }
    }
}
