//! `baeum projections`: how the read models are doing, and what operators do about streams that they have parked. It works
//! on the database, as `baeum replay` does; deeds are recorded in the log, and done by the workers.

use std::{env, sync::Arc};

use baeum_commands::{
    CommandContext, ExecuteError, Outcome,
    operations::{Error, Parked, StreamOf, retry_parked::retry_parked, skip_parked::skip_parked},
};
use baeum_eventlog::EventLog;
use baeum_projections::{Projection, parking, status};
use clap::Subcommand;

use crate::output::tell;

/// How many parked streams are read at once.
const PAGE: u32 = 500;

/// What is wanted of the read models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// Position, lag, state and parked streams of each (the default)
    #[default]
    List,
    /// The parked streams of a read model: key, position, attempts, waiting events, reason
    Parked {
        /// The read model
        name: String,
    },
    /// Have a parked stream tried again
    Retry {
        /// The read model
        name: String,
        /// The key of the stream, or `all`
        key: String,
    },
    /// Have a parked stream go on without the event that it stands at, for ever
    Skip {
        /// The read model
        name: String,
        /// The key of the stream
        key: String,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectionsError {
    /// There is no such read model.
    #[error("there is no read model '{given}': choose one of {known}")]
    Unknown {
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// The database failed.
    #[error("the read models cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The deed was refused, or could not be recorded.
    #[error(transparent)]
    Deed(#[from] ExecuteError<Error>),
}

/// A shard that is worked on.
pub(crate) struct OperatedShard {
    /// Its log.
    pub(crate) log: EventLog,
    /// Whose logs it keeps.
    pub(crate) tenants: Vec<String>,
}

impl OperatedShard {
    /// What an operator's command is recorded with. Whoever has the database is the operator; the name of their account
    /// is noted.
    pub(crate) fn context(&self, tenant: &str) -> CommandContext {
        let account = env::var("USER").or_else(|_| env::var("USERNAME")).ok().filter(|it| !it.is_empty());
        let id = self.log.clock().new_id();
        CommandContext {
            tenant: tenant.to_owned(),
            actor: account.map_or_else(|| "operator".to_owned(), |account| format!("operator:{account}")),
            command_id: id,
            fingerprint: None,
            correlation_id: id,
            causation_id: id,
            expected_sequence: None,
        }
    }
}

/// Does it, in every shard.
///
/// # Errors
/// An unknown read model, a stream that is not parked, or a failing database.
pub(crate) async fn run(
    shards: &[OperatedShard],
    registry: &[Arc<dyn Projection>],
    command: &ProjectionsCommand,
) -> Result<(), ProjectionsError> {
    match command {
        ProjectionsCommand::List => {
            for shard in shards {
                heading(shards, shard);
                list(&shard.log, registry).await?;
            }
        }
        ProjectionsCommand::Parked { name } => {
            let name = known(registry, name)?;
            for shard in shards {
                heading(shards, shard);
                for it in parked(&shard.log, name).await? {
                    let parking::ParkedStream { key, position, attempts, waiting, reason, .. } = it;
                    tell(format_args!("{key} at {position}, tried {attempts} times, {waiting} events wait: {reason}"));
                }
            }
        }
        ProjectionsCommand::Retry { name, key } if key == "all" => {
            let name = known(registry, name)?;
            for shard in shards {
                for it in parked(&shard.log, name).await? {
                    retry(shard, StreamOf { projection: name, key: &it.key }).await?;
                }
            }
        }
        ProjectionsCommand::Retry { name, key } => {
            let stream = StreamOf { projection: known(registry, name)?, key };
            retry(shard_of(shards, stream).await?, stream).await?;
        }
        ProjectionsCommand::Skip { name, key, reason } => {
            let stream = StreamOf { projection: known(registry, name)?, key };
            let shard = shard_of(shards, stream).await?;
            let log = &shard.log;
            let done = skip_parked(log, &context(shard, stream).await?, stream, reason, || find(log, stream)).await?;
            recorded("goes on without the event that it stands at", stream, &done);
        }
    }
    Ok(())
}

fn heading(shards: &[OperatedShard], shard: &OperatedShard) {
    if shards.len() > 1 {
        tell(format_args!("shard {}:", shard.log.shard()));
    }
}

async fn retry(shard: &OperatedShard, stream: StreamOf<'_>) -> Result<(), ProjectionsError> {
    let log = &shard.log;
    let done = retry_parked(log, &context(shard, stream).await?, stream, || find(log, stream)).await?;
    recorded("tries again", stream, &done);
    Ok(())
}

/// The shard in which a stream is parked; where there is none, the first one says so.
async fn shard_of<'a>(
    shards: &'a [OperatedShard],
    stream: StreamOf<'_>,
) -> Result<&'a OperatedShard, ProjectionsError> {
    for shard in shards {
        if find(&shard.log, stream).await?.is_some() {
            return Ok(shard);
        }
    }
    Ok(shards.first().expect("a configuration has a shard"))
}

async fn list(log: &EventLog, registry: &[Arc<dyn Projection>]) -> Result<(), ProjectionsError> {
    for it in status(log, registry).await? {
        let error = it.error.map(|error| format!(": {error}")).unwrap_or_default();
        tell(format_args!(
            "{} at {} of {}, {}, {} processes, {} streams parked with {} events{error}",
            it.name, it.position, it.head, it.state, it.members, it.parked_streams, it.parked_events
        ));
    }
    Ok(())
}

fn known(registry: &[Arc<dyn Projection>], given: &str) -> Result<&'static str, ProjectionsError> {
    let names = || registry.iter().map(|it| it.name());
    names().find(|it| *it == given).ok_or_else(|| ProjectionsError::Unknown {
        given: given.to_owned(),
        known: names().collect::<Vec<_>>().join(", "),
    })
}

async fn parked(log: &EventLog, name: &str) -> Result<Vec<parking::ParkedStream>, sqlx::Error> {
    let mut all = vec![];
    loop {
        let after = all.last().map_or("", |it: &parking::ParkedStream| it.key.as_str());
        let page = parking::list(log.pool(), name, after, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn find(log: &EventLog, stream: StreamOf<'_>) -> Result<Option<Parked>, sqlx::Error> {
    let found = parking::find(log.pool(), stream.projection, stream.key).await?;
    Ok(found.map(|it| Parked { position: it.position, attempts: it.attempts.cast_unsigned() }))
}

/// The deed goes into the log of the tenant whose event it is about, as that of an administrator of theirs does.
async fn context(shard: &OperatedShard, stream: StreamOf<'_>) -> Result<CommandContext, ProjectionsError> {
    let event = match find(&shard.log, stream).await? {
        Some(parked) => shard.log.read(parked.position - 1, 1).await.map_err(ExecuteError::Log)?.pop(),
        None => None,
    };
    let tenant =
        event.map_or_else(|| shard.tenants.first().expect("a shard has a tenant").clone(), |event| event.tenant);
    Ok(shard.context(&tenant))
}

fn recorded(what: &str, stream: StreamOf<'_>, done: &Outcome<()>) {
    let StreamOf { projection, key } = stream;
    tell(format_args!("recorded at {}: {projection} {what}: {key}", done.position));
}
