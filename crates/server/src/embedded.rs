//! Postgres inside this process, its files under the data folder.
//!
//! It has one connection, so the folder is locked for one process, and the pool is one connection that is never given
//! up: a new connection would be a new start of Postgres, and as long as there is one nobody else gets in. It listens on
//! a free port of the loopback address: over a Unix socket pglite-oxide 0.5.1 takes silence for more input, and hangs.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use directories::ProjectDirs;
use pglite_oxide::{PgliteServer, PgliteServerBuilder};
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::database::{ACQUIRE_TIMEOUT, APPLICATION};

/// A commit is in the files before it is answered, so it outlives this process. It does not outlive the machine: within
/// pglite-oxide 0.5.1 a file's sync ends in `File::flush`, which does nothing, and with `fsync=on` no recovery succeeds
/// ("could not fsync file: Is a directory"). Where power may fail, a real Postgres belongs under the log.
const COMMIT: [(&str, &str); 2] = [("synchronous_commit", "on"), ("full_page_writes", "on")];
/// How long closing the connections, then Postgres, may take; what is not closed then is recovered at the next start.
const CLOSE: Duration = Duration::from_secs(5);

/// Why the embedded database did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbeddedError {
    /// The folder cannot be used.
    #[error("BAEUM_DATA: the folder {} cannot be used: {error}", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has the folder.
    #[error(
        "the data folder {} is in use by another baeum process ({owner}): stop it or choose another folder with --data",
        .folder.display()
    )]
    InUse {
        /// Which.
        folder: PathBuf,
        /// `pid N`.
        owner: String,
    },
    /// Postgres did not start.
    #[error("the embedded database in {} did not start: {reason}", .folder.display())]
    Start {
        /// Where.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A running embedded database.
pub(crate) struct Embedded {
    pool: PgPool,
    // Its drop would wait for every connection to end: only `close` stops it, after the pool.
    server: ManuallyDrop<PgliteServer>,
    lock: Lock,
}

impl Embedded {
    /// Locks the data folder, starts Postgres in it and connects.
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, or holds files that Postgres does not start on.
    pub(crate) async fn start(data: &Path) -> Result<Self, EmbeddedError> {
        let began = Instant::now();
        let lock = Lock::take(data)?;
        let folder = |error| EmbeddedError::Folder { folder: data.to_owned(), error };
        mend(data, lock.was_killed).map_err(folder)?;
        let failed = |reason: String| EmbeddedError::Start { folder: data.to_owned(), reason };
        let builder = COMMIT.iter().fold(
            PgliteServer::builder().path(data.join("postgres")).database("postgres"),
            |builder, (name, value)| builder.postgres_config(*name, *value),
        );
        let server = start(builder).await.map_err(failed)?;
        let address = server.tcp_addr().ok_or_else(|| failed("it has no address".into()))?;
        let options = PgConnectOptions::new_without_pgpass()
            .host(&address.ip().to_string())
            .port(address.port())
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .application_name(APPLICATION);
        let server = ManuallyDrop::new(server);
        if lock.was_killed {
            // Recovery takes its time, which no request has: the pool's patience is not for it.
            tracing::info!("the last process was killed; recovering");
            let recovered = PgConnection::connect_with(&options).await.map_err(|error| failed(error.to_string()))?;
            let _ = recovered.close().await;
        }
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| failed(error.to_string()))?;
        note_made(data).map_err(folder)?;
        tracing::info!(folder = %data.display(), seconds = began.elapsed().as_secs_f32(), "embedded database started");
        Ok(Self { pool, server, lock })
    }

    /// The pool of its one connection.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes the connection, then stops Postgres, which leaves its files in order.
    pub(crate) async fn close(self) {
        let Self { pool, server, lock } = self;
        // A connection that is given back just now slips past one `close`, and Postgres would wait for it.
        let closed = async {
            while pool.size() > 0 {
                pool.close().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(CLOSE, closed).await.is_err() {
            tracing::warn!("the embedded database is still at work; it is left to recover at the next start");
            return;
        }
        let server = ManuallyDrop::into_inner(server);
        match tokio::time::timeout(CLOSE, tokio::task::spawn_blocking(|| server.shutdown())).await {
            Ok(Ok(Ok(()))) => lock.mark_clean(),
            Ok(Ok(Err(error))) => tracing::warn!("the embedded database did not stop cleanly: {error:#}"),
            Ok(Err(error)) => tracing::warn!(%error, "the embedded database did not stop cleanly"),
            Err(_) => tracing::warn!("the embedded database did not stop in time; it recovers at the next start"),
        }
    }
}

/// Files that pglite-oxide 0.5.1 writes anew at every start, not atomically, and cannot start with half of; each with
/// where a copy of it is kept, as it was at the last start that went well.
const REWRITTEN: [(&str, &str); 2] = [(LAYOUT, "runtime-layout.json"), (OVERLAY, "pgdata-overlay.json")];
const LAYOUT: &str = "postgres/tmp/pglite/.pglite-oxide-runtime-layout.json";
const OVERLAY: &str = "postgres/tmp/pglite/base/.pglite-oxide-pgdata-overlay.json";
/// Postgres's own files.
const CLUSTER: &str = "postgres/tmp/pglite/base";
/// Is there from the making of the database until it has answered for the first time.
const MAKING: &str = "making";

/// Repairs what a process left that was killed while it started.
fn mend(data: &Path, was_killed: bool) -> io::Result<()> {
    let postgres = data.join("postgres");
    if data.join(MAKING).exists() && postgres.exists() {
        // It was never ready, so nothing that was answered is in it.
        fs::remove_dir_all(&postgres)?;
    }
    if !postgres.exists() {
        File::create(data.join(MAKING))?;
        return Ok(());
    }
    for (file, copy) in REWRITTEN.map(|(file, copy)| (data.join(file), data.join(copy))) {
        if copy.exists() && !is_json(&file) {
            tracing::info!("the last process was killed while it started; mending {}", file.display());
            fs::copy(&copy, &file)?;
        }
    }
    match template(data) {
        Some(template) if was_killed => complete_copies(&template, &data.join(CLUSTER)),
        _ => Ok(()),
    }
}

/// Where pglite-oxide 0.5.1 keeps the files that it made this cluster from; `None` where it has yet to unpack them.
fn template(data: &Path) -> Option<PathBuf> {
    let overlay: serde_json::Value = serde_json::from_slice(&fs::read(data.join(OVERLAY)).ok()?).ok()?;
    let hash = overlay["templateArchiveSha256"].as_str()?;
    let cache = ProjectDirs::from("dev", "pglite-oxide", "pglite-oxide")?.cache_dir().join("pgdata-template");
    let formats = fs::read_dir(cache).ok()?;
    formats.filter_map(|format| Some(format.ok()?.path().join(hash).join("base"))).find(|it| it.is_dir())
}

/// A cluster begins as a layer over its template: a file is copied when Postgres first opens it, and pglite-oxide 0.5.1
/// does not copy atomically. What a killed process left half copied is the beginning of the template's file and no
/// more, for nothing was written into it before it was whole; it is copied again.
fn complete_copies(template: &Path, cluster: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cluster)? {
        let entry = entry?;
        let (original, copy) = (template.join(entry.file_name()), entry.path());
        let kind = entry.file_type()?;
        if kind.is_dir() && original.is_dir() {
            complete_copies(&original, &copy)?;
        } else if kind.is_file() && original.is_file() && entry.metadata()?.len() < original.metadata()?.len() {
            let whole = fs::read(&original)?;
            if whole.starts_with(&fs::read(&copy)?) {
                tracing::info!("the last process was killed while it copied {}; it is copied again", copy.display());
                // Killed again, it is the beginning of the file again.
                fs::write(&copy, whole)?;
            }
        }
    }
    Ok(())
}

/// Notes that the database has answered, so that [`mend`] keeps it.
fn note_made(data: &Path) -> io::Result<()> {
    for (file, copy) in REWRITTEN.map(|(file, copy)| (data.join(file), data.join(copy))) {
        if is_json(&file) {
            let half = copy.with_extension("new");
            fs::copy(&file, &half)?;
            fs::rename(&half, &copy)?;
        }
    }
    match fs::remove_file(data.join(MAKING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_json(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).is_ok())
}

/// Starts Postgres on a thread that may block.
async fn start(builder: PgliteServerBuilder) -> Result<PgliteServer, String> {
    match tokio::task::spawn_blocking(|| builder.start()).await {
        Ok(started) => started.map_err(|error| format!("{error:#}").replace('\n', " ")),
        Err(error) => Err(error.to_string()),
    }
}

/// The lock on the data folder. It ends with the process, however that ends.
struct Lock {
    file: File,
    /// Whether the process before this one did not close.
    was_killed: bool,
}

impl Lock {
    /// Makes the folder where there is none, and locks it for this process.
    fn take(data: &Path) -> Result<Self, EmbeddedError> {
        let unusable = |error| EmbeddedError::Folder { folder: data.to_owned(), error };
        make_private(data).map_err(unusable)?;
        let path = data.join("lock");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(unusable)?;
        let locked = file.try_lock();
        let mut owner = String::new();
        let _ = file.read_to_string(&mut owner);
        match locked {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) => {
                let owner = owner.trim().parse::<u32>().map_or("pid unknown".to_owned(), |pid| format!("pid {pid}"));
                return Err(EmbeddedError::InUse { folder: data.to_owned(), owner });
            }
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { file, was_killed: !owner.trim().is_empty() })
    }

    /// Notes that the files are in order.
    fn mark_clean(self) {
        let _ = self.file.set_len(0);
    }
}

/// A folder that only this user can enter: it holds what learners wrote.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_copied_half_are_copied_again_and_no_others() {
        let (template, cluster) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let file = |folder: &Path, name: &str, bytes: &[u8]| {
            fs::create_dir_all(folder.join("base/5")).expect("a folder");
            fs::write(folder.join("base/5").join(name), bytes).expect("a file");
        };
        for name in ["begun", "half", "whole", "written", "shrunk", "grown", "never opened"] {
            file(template.path(), name, b"12345678");
        }
        for (name, bytes) in [
            ("begun", &b""[..]),
            ("half", b"1234"),
            ("whole", b"12345678"),
            ("written", b"1234567x"),
            ("shrunk", b"12x"),
            ("grown", b"123456789"),
            ("of its own", b"1"),
        ] {
            file(cluster.path(), name, bytes);
        }
        complete_copies(template.path(), cluster.path()).expect("folders");
        let now = |name: &str| fs::read_to_string(cluster.path().join("base/5").join(name)).ok();
        for (name, bytes) in [
            ("begun", Some("12345678")),
            ("half", Some("12345678")),
            ("whole", Some("12345678")),
            ("written", Some("1234567x")),
            ("shrunk", Some("12x")),
            ("grown", Some("123456789")),
            ("of its own", Some("1")),
            ("never opened", None),
        ] {
            assert_eq!(now(name).as_deref(), bytes, "{name}");
        }
    }
}
