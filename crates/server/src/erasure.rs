//! The process that forgets people: it takes the steps of every erasure that is due, until nothing is left.
//!
//! What is to be done stands in the log, and each step can be repeated, so that whoever takes them may be killed at any
//! place: the next one goes on. First the person's key is destroyed; from then on nothing of theirs opens. Read models and
//! processes forget them where they meet that in the log; when all have, what is kept beside the log goes too, and the
//! files are rid of dead rows.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use baeum_commands::{
    Commands, ExecuteError, LogError, SubjectStream,
    identity::{Error, erase_subject::ErasureNews},
    recommendation::recommendation_of,
};
use baeum_domain::{Decider as _, identity::erasure::Standing, ids::UserId, learning::lesson::Lesson};
use baeum_eventlog::{FORGOTTEN_IN, lease::Lease, vacuum};
use baeum_projections::Projection;
use baeum_sagas::Erased as Process;
use chrono::TimeDelta;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often it is looked what is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after an erasure its tables are swept once more: a command that was on its way may have ended after the first
/// time. Requests take half a minute at most, and other processes know of an erasure within a second.
const SWEEP_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// For how long a start looks back for erasures that were not swept again.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(10);

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Command(#[from] ExecuteError<Error>),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the tables cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}

/// An erasure that is not done with.
struct Case {
    news: ErasureNews,
    /// The person's streams, once they were looked for.
    streams: Option<Vec<SubjectStream>>,
}

/// An erasure after which no row is left.
struct Cleaned {
    news: ErasureNews,
    streams: Vec<SubjectStream>,
    rows: u64,
}

/// Takes the steps of erasures in one shard.
pub(crate) struct Eraser {
    commands: Commands,
    registry: Vec<Arc<dyn Projection>>,
    processes: Vec<Process>,
    /// How far the log was read.
    position: i64,
    cases: BTreeMap<UserId, Case>,
}

impl Eraser {
    /// For the log of `commands`, with its read models and processes.
    pub(crate) fn new(commands: Commands, registry: Vec<Arc<dyn Projection>>, processes: Vec<Process>) -> Self {
        Self { commands, registry, processes, position: 0, cases: BTreeMap::new() }
    }

    /// Works until `stop`. One process at a time does, by lease; that two did would do no harm.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let log = self.commands.log();
        let lease = Lease::new(log.pool().clone(), "erasures", log.clock().new_id());
        while !stop.is_cancelled() {
            match lease.hold().await {
                Ok(true) => {
                    let work = self.work();
                    if let Err(error) = work.await {
                        tracing::warn!(%error, "erasures wait, and are gone on with in a moment");
                    }
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "erasures wait for the database"),
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
        // A lease that cannot be given back ends by itself.
        let _ = lease.release().await;
    }

    /// Takes the next step of each erasure. One that does not get on keeps no other from it.
    async fn work(&mut self) -> Result<(), StepError> {
        self.read().await?;
        let subjects: Vec<UserId> = self.cases.keys().copied().collect();
        let mut cleaned = vec![];
        for subject in subjects {
            match self.step(subject).await {
                Ok(done) => cleaned.extend(done),
                Err(error) => tracing::warn!(%error, "an erasure waits, and is gone on with in a moment"),
            }
        }
        if cleaned.is_empty() {
            return Ok(());
        }
        // Files are rid of what was deleted from them, once for all. Who holds a table is waited for: the next time.
        let pool = self.commands.log().pool();
        self.commands.vault().compact().await?;
        vacuum(pool, &FORGOTTEN_IN, false).await?;
        baeum_projections::vacuum(pool, &self.registry).await?;
        baeum_sagas::vacuum(pool).await?;
        for Cleaned { news, streams, rows } in cleaned {
            self.commands.finish_erasure(&news, &streams, rows).await?;
            tracing::info!(streams = streams.len(), rows, "a person was forgotten");
        }
        Ok(())
    }

    /// Takes the next step of one erasure; gives what is clean but for the files.
    async fn step(&mut self, subject: UserId) -> Result<Option<Cleaned>, StepError> {
        let Some(case) = self.cases.get(&subject) else { return Ok(None) };
        let (news, now) = (case.news.clone(), self.commands.log().clock().now());
        match news.standing {
            Standing::Requested { due_at } if due_at <= now => {
                self.commands.erase_subject(&news).await?;
                tracing::info!("the key of a person was destroyed");
            }
            Standing::Erased => {
                // Whoever said so in the log may have been killed before it was done.
                self.commands.destroy_keys(subject).await?;
                if self.all_have_met(news.position).await? {
                    let (streams, rows) = self.sweep(subject).await?;
                    return Ok(Some(Cleaned { news, streams, rows }));
                }
            }
            Standing::Finished if news.at + SWEEP_AGAIN <= now => {
                self.sweep(subject).await?;
                self.cases.remove(&subject);
            }
            _ => {}
        }
        Ok(None)
    }

    /// Whether every reader of the log has met the event at `position`.
    async fn all_have_met(&self, position: i64) -> Result<bool, sqlx::Error> {
        let pool = self.commands.log().pool();
        Ok(baeum_projections::has_passed(pool, &self.registry, position).await?
            && baeum_sagas::has_passed(pool, &self.processes, position).await?)
    }

    /// Reads what has happened to erasures.
    async fn read(&mut self) -> Result<(), StepError> {
        let now = self.commands.log().clock().now();
        for news in self.commands.erasures_since(self.position).await? {
            self.position = news.position;
            let subject = news.subject;
            let streams = self.cases.remove(&subject).and_then(|case| case.streams);
            let over = match news.standing {
                Standing::Withdrawn => true,
                Standing::Finished => news.at + LOOK_BACK < now,
                Standing::Requested { .. } | Standing::Erased => false,
            };
            if !over {
                self.cases.insert(subject, Case { news, streams });
            }
        }
        Ok(())
    }

    /// Removes every row of a person that readers of the log did not remove by themselves.
    async fn sweep(&mut self, subject: UserId) -> Result<(Vec<SubjectStream>, u64), StepError> {
        let Some(case) = self.cases.get_mut(&subject) else { return Ok((vec![], 0)) };
        let (log, tenant) = (self.commands.log(), case.news.tenant.clone());
        let streams = match &case.streams {
            Some(known) => known.clone(),
            None => log.streams_of(&tenant, subject).await?,
        };
        case.streams = Some(streams.clone());
        let id = subject.to_string();
        // Processes keep what follows from a lesson under the id of its recommendation.
        let lessons = streams.iter().filter(|it| it.aggregate_type == Lesson::AGGREGATE);
        let recommendations: Vec<String> = lessons
            .filter_map(|it| it.aggregate_id.parse().ok())
            .map(|lesson| recommendation_of(lesson).to_string())
            .collect();
        let ids: Vec<&str> = streams
            .iter()
            .map(|it| it.aggregate_id.as_str())
            .chain(recommendations.iter().map(String::as_str))
            .chain([id.as_str()])
            .collect();
        let mut rows = log.forget_streams(&tenant, subject, &streams).await?;
        rows += baeum_projections::forget(log.pool(), &self.registry, subject, &ids).await?;
        rows += baeum_sagas::forget(log.pool(), subject, &ids).await?;
        Ok((streams, rows))
    }
}

#[cfg(test)]
mod tests;
