//! What a target holds: which files, and up to which position of the log.

use baeum_domain::{ids::UserId, position::Shard};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ExportError, encoder::Format, target::Target};

/// Its name in the target.
pub(super) const NAME: &str = "manifest.json";
/// The version of its form that this build writes.
const VERSION: u32 = 1;

/// What a target holds. A file that it does not name is of an export that was killed, and the next one removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub manifest: u32,
    /// The form of the files.
    pub format: Format,
    /// The shard whose log it is.
    pub shard: u16,
    /// When it was last exported to.
    pub exported_at: DateTime<Utc>,
    /// The events.
    pub events: Events,
    /// The tables of read models, each as it was last exported.
    pub models: Vec<ModelFile>,
    /// Who was forgotten up to the last export, in the order of the log.
    #[serde(default)]
    pub erased: Vec<ErasedSubject>,
}

/// Somebody who was forgotten. What files hold of theirs under seal cannot be opened any more; files of read models that
/// were exported before `position` may have rows of theirs, and are to be exported again or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedSubject {
    /// The id by which events name them.
    pub subject_id: UserId,
    /// Position of the event that says so.
    pub position: i64,
}

/// The events of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The position after which it begins.
    pub after: i64,
    /// The position of its last event; `after` for none.
    pub to: i64,
    /// The id of its last event: tells whether a log is the one that was exported.
    pub last_event_id: Option<Uuid>,
    /// How many events there are.
    pub rows: u64,
    /// Their files.
    pub files: Vec<EventFile>,
}

/// A file of events of one type and one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFile {
    /// Where it is in the target.
    pub path: String,
    /// The type of its events.
    pub event_type: String,
    /// The day on which they were recorded, in UTC.
    pub date: NaiveDate,
    /// The position of the first.
    pub first: i64,
    /// The position of the last.
    pub last: i64,
    /// How many they are.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// A table of a read model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Where it is in the target.
    pub path: String,
    /// The read model.
    pub projection: String,
    /// The table.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The position up to which every event was taken in when it was read; of some learners also later ones.
    pub position: i64,
    /// When it was read.
    pub exported_at: DateTime<Utc>,
}

impl Manifest {
    /// That of a target to which nothing was exported yet.
    pub(super) fn new(format: Format, shard: Shard, after: i64, now: DateTime<Utc>) -> Self {
        Self {
            manifest: VERSION,
            format,
            shard: shard.number(),
            exported_at: now,
            events: Events { after, to: after, last_event_id: None, rows: 0, files: vec![] },
            models: vec![],
            erased: vec![],
        }
    }

    /// That of a target, where there is one.
    pub(super) async fn read(target: &Target) -> Result<Option<Self>, ExportError> {
        let Some(bytes) = target.read(NAME).await? else { return Ok(None) };
        let unreadable = |problem: String| ExportError::Manifest { target: target.to_string(), problem };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if manifest.manifest != VERSION {
            return Err(unreadable(format!("it has version {}, this build reads {VERSION}", manifest.manifest)));
        }
        Ok(Some(manifest))
    }

    /// Puts it in the place of the one before, at once and whole.
    pub(super) async fn write(&self, target: &Target) -> Result<(), ExportError> {
        let text = serde_json::to_string_pretty(self).expect("names and numbers are JSON");
        target.put(NAME, (text + "\n").into_bytes()).await
    }

    /// Whether it names a file.
    pub(super) fn names(&self, path: &str) -> bool {
        self.events.files.iter().any(|file| file.path == path) || self.models.iter().any(|file| file.path == path)
    }
}
