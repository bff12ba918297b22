//! Files of past attempts into the log.
//!
//! One thread reads the file and makes commands of its rows; they go into the log some thousand at a time
//! ([`EventLog::execute_many`]), while the next are read. An attempt is an aggregate whose id is derived from the key of
//! its row, so the primary key of the log sees to it that none is there twice, whatever was killed in between; and the
//! file itself is known by its digest, so that the same file is not even read a second time.

mod attempts;
mod jsonl;
mod records;
mod rejects;
mod source;
mod spec;
mod time;

use std::{
    convert::Infallible,
    fmt::Write as _,
    fs::{self, File},
    future::ready,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use baeum_domain::{
    Entropy,
    ids::{ImportId, derive_id},
    learning::{
        import::{self, Import, Tally},
        imported_attempt::{Command, ImportedAttempt},
    },
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, LogError};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use self::{
    attempts::Reader,
    records::{Records, Reject},
    rejects::Rejects,
    source::Pseudonyms,
};

pub use self::spec::Spec;

/// How many rows go into one statement.
const BATCH: usize = 5_000;

/// What to import.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file.
    pub file: PathBuf,
    /// Where the rows are told that are left out, with their reasons. It is overwritten.
    pub rejects: PathBuf,
    /// Whose log the attempts go into.
    pub tenant: String,
    /// Look at every row, even where this very file was imported before.
    pub every_row: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What became of the rows.
    pub tally: Tally,
    /// Whether this very file had been imported before, so that it was not read; the tally is that of then.
    pub known: bool,
}

/// Why a file was not imported. What is in the log then stays; the next import of the file goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{path} cannot be written: {error}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file would be overwritten.
    #[error("the rejects would overwrite {0}: name another file for them")]
    SameFile(String),
    /// The specification is wrong.
    #[error("{path}: {problem}")]
    Spec {
        /// Its file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The file is not what the specification says.
    #[error("{path}: {problem}")]
    Header {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The database failed.
    #[error("the import cannot go on: {0}; run it again, it goes on where it stopped")]
    Database(#[from] sqlx::Error),
    /// The log failed.
    #[error("the import cannot go on: {0}; run it again, it goes on where it stopped")]
    Log(#[from] LogError),
    /// The log did not take the rows.
    #[error("the import cannot go on: {0}; run it again, it goes on where it stopped")]
    Refused(String),
}

/// Imports a file. Dropping the future stops it: what was appended stays, and the next import goes on.
///
/// `progress` is told how many bytes of the file were taken in, and how many there are.
///
/// # Errors
/// When a file cannot be read or written, is not what the specification says, or the database fails.
pub async fn import(
    log: &EventLog,
    entropy: &dyn Entropy,
    spec: Spec,
    request: &Request,
    mut progress: impl FnMut(u64, u64),
) -> Result<Imported, ImportError> {
    let (file_digest, spec_digest) = (digest_of(&request.file).await?, spec.digest.clone());
    if same_file(&request.file, &request.rejects) {
        return Err(ImportError::SameFile(request.file.display().to_string()));
    }
    let source = spec.source.clone();
    let id = derive_id(&["import", &request.tenant, source.as_str(), &file_digest, &spec_digest]);
    let context = context(log, request, &source, id);
    let known = log.load::<Import>(&request.tenant, &id.to_string()).await?;
    if let Some(tally) = known.state.completed.filter(|_| !request.every_row) {
        return Ok(Imported { tally, known: true });
    }
    // What is wrong with the file as a whole is told before anything is written.
    let records = Records::open(&request.file, spec.format, spec.delimiter, &spec.columns)?;
    let rejects = Rejects::create(&request.rejects)?;
    let pseudonyms = Pseudonyms::of(log.pool(), log.clock().as_ref(), entropy, &request.tenant, &source).await?;
    let import_id = ImportId(id);
    let start = import::Command::Start { import_id, source, file_digest, spec_digest };
    command(log, &context, id, start).await?;
    let reader = Reader { spec, pseudonyms, import_id, now: log.clock().now() };
    let tally = take_in(log, &context, &request.file, records, reader, rejects, &mut progress).await?;
    command(log, &context, id, import::Command::Complete(tally)).await?;
    Ok(Imported { tally, known: false })
}

/// Rows that are read, and those that are not.
struct Batch {
    /// How far the file was read.
    bytes: u64,
    lines: Vec<u64>,
    commands: Vec<(String, Command)>,
    rejects: Vec<Reject>,
}

async fn take_in(
    log: &EventLog,
    context: &CommandContext,
    path: &Path,
    records: Records,
    reader: Reader,
    mut rejects: Rejects,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Tally, ImportError> {
    let length = fs::metadata(path).map_or(0, |it| it.len());
    let (made, mut batches) = mpsc::channel(2);
    let reading = tokio::task::spawn_blocking(move || read_batches(records, &reader, &made));
    let mut tally = Tally::default();
    while let Some(mut batch) = batches.recv().await {
        let many = log.execute_many::<ImportedAttempt>(context, &batch.commands).await.map_err(refused)?;
        tally.rows += (batch.commands.len() + batch.rejects.len()) as u64;
        for (line, outcome) in batch.lines.iter().zip(many.outcomes) {
            match outcome {
                Ok(0) => tally.unchanged += 1,
                Ok(_) => tally.imported += 1,
                Err(refusal) => batch.rejects.push(Reject { line: *line, reason: refusal.to_string() }),
            }
        }
        batch.rejects.sort_by_key(|reject| reject.line);
        for reject in &batch.rejects {
            rejects.add(reject)?;
        }
        tally.rejected += batch.rejects.len() as u64;
        progress(batch.bytes, length);
    }
    let read = reading.await.map_err(|error| ImportError::Refused(format!("its reader ended: {error}")))?;
    read.map_err(|error| ImportError::Read { path: path.display().to_string(), error })?;
    rejects.finish()?;
    Ok(tally)
}

/// Ends when nobody takes the batches any more.
fn read_batches(mut records: Records, reader: &Reader, made: &mpsc::Sender<Batch>) -> io::Result<()> {
    loop {
        let mut batch = Batch { bytes: 0, lines: vec![], commands: Vec::with_capacity(BATCH), rejects: vec![] };
        let mut ended = false;
        while batch.commands.len() + batch.rejects.len() < BATCH {
            let Some(row) = records.next()? else {
                ended = true;
                break;
            };
            let read = row.and_then(|row| {
                let command = reader.command(&row);
                command.map(|it| (row.line, it)).map_err(|reason| Reject { line: row.line, reason })
            });
            match read {
                Ok((line, command)) => {
                    batch.lines.push(line);
                    batch.commands.push(command);
                }
                Err(reject) => batch.rejects.push(reject),
            }
        }
        batch.bytes = records.bytes();
        let full = !(batch.commands.is_empty() && batch.rejects.is_empty());
        if (full && made.blocking_send(batch).is_err()) || ended {
            return Ok(());
        }
    }
}

async fn command(
    log: &EventLog,
    context: &CommandContext,
    id: uuid::Uuid,
    command: import::Command,
) -> Result<(), ImportError> {
    let prepare = move |_| ready(Ok::<_, import::Error>(command.clone()));
    let done = log.execute::<Import, (), import::Error, _>(context, &id.to_string(), prepare, |_, _| ()).await;
    match done {
        Ok(_) => Ok(()),
        Err(ExecuteError::Log(error)) => Err(error.into()),
        Err(error) => Err(ImportError::Refused(error.to_string())),
    }
}

fn refused(error: ExecuteError<Infallible>) -> ImportError {
    match error {
        ExecuteError::Log(error) => error.into(),
        error => ImportError::Refused(error.to_string()),
    }
}

fn context(log: &EventLog, request: &Request, source: &baeum_domain::ids::Source, id: uuid::Uuid) -> CommandContext {
    CommandContext {
        tenant: request.tenant.clone(),
        actor: format!("import:{source}"),
        command_id: log.clock().new_id(),
        fingerprint: None,
        correlation_id: id,
        causation_id: id,
        expected_sequence: None,
    }
}

/// SHA-256 of a file, in hexadecimal.
async fn digest_of(path: &Path) -> Result<String, ImportError> {
    let file = path.to_owned();
    let digesting = tokio::task::spawn_blocking(move || {
        let (mut file, mut digest, mut buffer) = (File::open(file)?, Sha256::new(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(&digest.finalize())),
                read => digest.update(&buffer[..read]),
            }
        }
    });
    let digest = digesting.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    digest.map_err(|error| ImportError::Read { path: path.display().to_string(), error })
}

/// Whether both paths lead to one file.
fn same_file(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
