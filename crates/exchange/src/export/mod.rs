//! The log and the read models as files that every tool of analysts reads.
//!
//! Events are written by type and day, `events/event_type=…/date=…/part-….parquet`, with a column for each field of
//! their published schema; read models a file a table. `manifest.json` says what there is, and up to which position: the
//! next export goes on from there. It is written last, so what it names is whole.
//!
//! What is sealed in the log stays sealed; credentials and keys are in no event and no read model, so they are in no
//! export.

mod encoder;
mod manifest;
mod models;
mod parts;
mod shape;
mod table;
mod target;

use std::{cmp::Ordering, sync::Arc};

use baeum_domain::{Recorded, position::Shard};
use baeum_eventlog::{
    EventLog, LogError,
    lease::{Lease, RENEW_EVERY},
};
use baeum_projections::Projection;
use tokio::{sync::mpsc, time::sleep};

use self::parts::Parts;

pub use self::{
    encoder::Format,
    manifest::{ErasedSubject, EventFile, Events, Manifest, ModelFile},
    target::Target,
};

/// How many events are read at a time.
const PAGE: i64 = 20_000;

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The form of the files: that of the target where it has one, else Parquet.
    pub format: Option<Format>,
    /// The first position to export, for a target to which nothing was exported yet.
    pub from: Option<i64>,
    /// Whether to export the events.
    pub events: bool,
    /// Which read models to export.
    pub models: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// How many events were added.
    pub events: u64,
    /// What the target holds now.
    pub manifest: Manifest,
}

/// Why nothing was exported. The target then holds what it held before.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The target cannot be used.
    #[error("'{target}' is no target: {problem}")]
    Target {
        /// What was given.
        target: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something else is there.
    #[error("{0} has files but no manifest.json of an export: give an empty folder, or one that was exported to")]
    NotEmpty(String),
    /// The manifest cannot be used.
    #[error("the manifest.json of {target} cannot be used: {problem}: export to another folder")]
    Manifest {
        /// The target.
        target: String,
        /// Why.
        problem: String,
    },
    /// The target was exported to in another way.
    #[error("{target} {holds}: export to another folder")]
    Another {
        /// The target.
        target: String,
        /// What it holds.
        holds: String,
    },
    /// There is no such read model.
    #[error("there is no read model '{given}': choose of {known}")]
    UnknownModel {
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// A position of another shard, or of none.
    #[error("{given} is no position of shard {shard}: its first event stands at {}", shard.floor() + 1)]
    Position {
        /// What was given.
        given: i64,
        /// The shard of the log.
        shard: Shard,
    },
    /// Another process is at it.
    #[error("{0} is being exported to by another process: wait for it")]
    Busy(String),
    /// The target cannot be read or written.
    #[error("{at} cannot be read or written: {problem}")]
    Storage {
        /// Which file.
        at: String,
        /// Why.
        problem: String,
    },
    /// An event that has not the shape of its type.
    #[error("an event from position {from} to {to} cannot be exported: {problem}")]
    Event {
        /// The first that it may be.
        from: i64,
        /// The last that it may be.
        to: i64,
        /// Why.
        problem: String,
    },
    /// Rows could not be encoded.
    #[error("rows cannot be encoded: {0}")]
    Encode(String),
    /// It is shown to the learner alone.
    #[error("the read model '{0}' is for the learner alone and is not exported (docs/affect.md): leave it out")]
    TheirsAlone(&'static str),
    /// The database failed.
    #[error("the read models cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<arrow_schema::ArrowError> for ExportError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<parquet::errors::ParquetError> for ExportError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// Exports what is new since the last export to the target. Dropping the future leaves the target as it was; the next
/// export removes what lies aside.
///
/// `progress` is told up to which position events were read, and which is the last.
///
/// # Errors
/// When the target holds something else or fails, or the database does, or an event has not the shape of its type.
pub async fn export(
    log: &EventLog,
    registry: &[Arc<dyn Projection>],
    target: &Target,
    request: &Request,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<Exported, ExportError> {
    let models = chosen(registry, &request.models)?;
    // The embedded database has one connection, and nobody else who could export.
    if log.pool().options().get_max_connections() < 2 {
        return run(log, &models, target, request, progress).await;
    }
    let lease = Lease::new(log.pool().clone(), format!("export:{target}"), log.clock().new_id());
    if !lease.hold().await? {
        return Err(ExportError::Busy(target.to_string()));
    }
    let lost = async {
        loop {
            sleep(RENEW_EVERY).await;
            match lease.hold().await {
                Ok(true) => {}
                Ok(false) => return ExportError::Busy(target.to_string()),
                Err(error) => return error.into(),
            }
        }
    };
    let exported = tokio::select! {
        exported = run(log, &models, target, request, progress) => exported,
        error = lost => Err(error),
    };
    // One that cannot be given back ends by itself.
    let _ = lease.release().await;
    exported
}

async fn run(
    log: &EventLog,
    models: &[&Arc<dyn Projection>],
    target: &Target,
    request: &Request,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<Exported, ExportError> {
    let now = log.clock().now();
    let mut manifest = open(log, target, request).await?;
    sweep(target, &manifest).await?;
    let head = log.head().await?;
    let mut published = vec![];
    let mut added = 0;
    if request.events && head > manifest.events.to {
        let last = log.read(head - 1, 1).await?;
        let files = write_events(log, target, manifest.format, manifest.events.to, head, progress).await?;
        added = files.iter().map(|file| file.rows).sum();
        published.extend(files.iter().map(|file| file.path.clone()));
        manifest.events.rows += added;
        manifest.events.to = head;
        manifest.events.last_event_id = last.first().map(|event| event.event_id);
        manifest.events.files.extend(files);
    }
    for projection in models {
        let files = models::write(log, projection.as_ref(), target, manifest.format, now).await?;
        published.extend(files.iter().map(|file| file.path.clone()));
        manifest.models.retain(|file| file.projection != projection.name());
        manifest.models.extend(files);
    }
    for path in &published {
        target.publish(path).await?;
    }
    // Read last, so that whoever is missing here has no row in what was read before.
    manifest.erased = erased(log).await?;
    target.settle(published.iter().map(String::as_str))?;
    manifest.exported_at = now;
    manifest.write(target).await?;
    Ok(Exported { events: added, manifest })
}

fn chosen<'a>(
    registry: &'a [Arc<dyn Projection>],
    names: &[String],
) -> Result<Vec<&'a Arc<dyn Projection>>, ExportError> {
    let find = |name: &String| {
        let found = registry.iter().find(|it| it.name() == name).ok_or_else(|| ExportError::UnknownModel {
            given: name.clone(),
            known: registry.iter().map(|it| it.name()).collect::<Vec<_>>().join(", "),
        })?;
        if found.is_theirs_alone() { Err(ExportError::TheirsAlone(found.name())) } else { Ok(found) }
    };
    names.iter().map(find).collect()
}

/// Who was forgotten, as the log says.
async fn erased(log: &EventLog) -> Result<Vec<ErasedSubject>, ExportError> {
    let erasures = log.read_erasures(0).await?;
    let named = |event: &Recorded<_>| {
        let subject_id = log.erased().meet(event)?;
        Some(ErasedSubject { subject_id, position: event.position })
    };
    Ok(erasures.iter().filter_map(named).collect())
}

/// The manifest of the target; a new one where nothing is there.
async fn open(log: &EventLog, target: &Target, request: &Request) -> Result<Manifest, ExportError> {
    let shard = log.shard();
    if let Some(from) = request.from.filter(|from| Shard::of(*from) != Some(shard) || *from <= shard.floor()) {
        return Err(ExportError::Position { given: from, shard });
    }
    let Some(manifest) = Manifest::read(target).await? else {
        if !target.list().await?.is_empty() {
            return Err(ExportError::NotEmpty(target.to_string()));
        }
        let after = request.from.map_or(log.floor(), |from| from - 1);
        let manifest = Manifest::new(request.format.unwrap_or(Format::Parquet), shard, after, log.clock().now());
        // From now on the folder is known to be an export's.
        manifest.write(target).await?;
        return Ok(manifest);
    };
    let another = |holds: String| Err(ExportError::Another { target: target.to_string(), holds });
    if let Some(format) = request.format.filter(|format| *format != manifest.format) {
        return another(format!("holds {}, not {format}", manifest.format));
    }
    if manifest.shard != shard.number() {
        return another(format!("holds the log of shard {}, not of {shard}", manifest.shard));
    }
    if let Some(from) = request.from.filter(|from| from - 1 != manifest.events.after) {
        return another(format!("begins at position {}, not at {from}", manifest.events.after + 1));
    }
    let events = &manifest.events;
    if let Some(id) = events.last_event_id {
        let same = log.read(events.to - 1, 1).await?;
        if same.first().is_none_or(|event| event.position != events.to || event.event_id != id) {
            return another(format!(
                "holds another log: event {id} does not stand at position {} of this one",
                events.to
            ));
        }
    }
    Ok(manifest)
}

/// Removes what an export that was killed has left: files of the names that exports give, which the manifest does not
/// name.
async fn sweep(target: &Target, manifest: &Manifest) -> Result<(), ExportError> {
    for path in target.list().await? {
        let aside = path.starts_with(target::ASIDE) || path == "manifest.json.new";
        let event = path.starts_with("events/event_type=") && path.contains("/part-");
        if aside || (event && !manifest.names(&path)) {
            target.delete(&path).await?;
        }
    }
    Ok(())
}

/// Writes the events after `after` up to and including `to` aside.
async fn write_events(
    log: &EventLog,
    target: &Target,
    format: Format,
    after: i64,
    to: i64,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Vec<EventFile>, ExportError> {
    let (pages, mut next) = mpsc::channel(1);
    let target = target.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let mut parts = Parts::new(target, format);
        while let Some(page) = next.blocking_recv() {
            let page: Vec<_> = page;
            parts.take(&page)?;
        }
        parts.finish()
    });
    let mut position = after;
    while position < to {
        let end = to.min(position + PAGE);
        let page = log.scan(position, end, &[]).await?;
        if page.len().cmp(&usize::try_from(end - position).unwrap_or(0)) != Ordering::Equal {
            let problem = format!("{} events are there between positions {position} and {end}", page.len());
            return Err(ExportError::Event { from: position + 1, to: end, problem });
        }
        position = end;
        // Nobody takes it when writing has failed, which is told below.
        if pages.send(page).await.is_err() {
            break;
        }
        progress(position, to);
    }
    drop(pages);
    writing.await.unwrap_or_else(|error| Err(ExportError::Encode(format!("the writer ended: {error}"))))
}
