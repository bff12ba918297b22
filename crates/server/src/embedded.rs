//! Postgres inside this process, its files under the data folder.
//!
//! It has one connection, so the folder is locked for one process, and the pool is one connection that is never given
//! up: a new connection would be a new start of Postgres. It listens on a socket that only this user can reach.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pglite_oxide::{PgliteServer, PgliteServerBuilder};
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::database::{ACQUIRE_TIMEOUT, APPLICATION};

/// What Postgres is to do for durability; pglite-oxide starts it with `-F`, which is fsync off.
const DURABLE: [(&str, &str); 3] = [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")];
/// How long the path of a socket may be on every system.
#[cfg(unix)]
const SOCKET_PATH: usize = 100;
/// How long closing may take; what is not closed then is recovered at the next start.
const CLOSE: Duration = Duration::from_secs(10);

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
    #[cfg(unix)]
    _socket: Socket,
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
        let failed = |reason: String| EmbeddedError::Start { folder: data.to_owned(), reason };
        let builder = DURABLE.iter().fold(
            PgliteServer::builder().path(data.join("postgres")).database("postgres"),
            |builder, (name, value)| builder.postgres_config(*name, *value),
        );
        let options = PgConnectOptions::new_without_pgpass()
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .application_name(APPLICATION);
        #[cfg(unix)]
        let (builder, options, socket) = {
            let socket = Socket::new(data).map_err(|error| EmbeddedError::Folder { folder: data.to_owned(), error })?;
            (builder.unix(socket.path()), options.socket(&socket.folder).port(Socket::PORT), socket)
        };
        let server = start(builder).await.map_err(failed)?;
        #[cfg(not(unix))]
        let options = {
            let address = server.tcp_addr().ok_or_else(|| failed("it has no address".into()))?;
            options.host(&address.ip().to_string()).port(address.port())
        };
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
        tracing::info!(folder = %data.display(), seconds = began.elapsed().as_secs_f32(), "embedded database started");
        Ok(Self {
            pool,
            server,
            #[cfg(unix)]
            _socket: socket,
            lock,
        })
    }

    /// The pool of its one connection.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes the connection, then stops Postgres, which leaves its files in order.
    pub(crate) async fn close(self) {
        let Self { pool, server, lock, .. } = self;
        if tokio::time::timeout(CLOSE, pool.close()).await.is_err() {
            tracing::warn!("the embedded database is still at work; it is left to recover at the next start");
            return;
        }
        let server = ManuallyDrop::into_inner(server);
        match tokio::task::spawn_blocking(|| server.shutdown()).await {
            Ok(Ok(())) => lock.mark_clean(),
            Ok(Err(error)) => tracing::warn!("the embedded database did not stop cleanly: {error:#}"),
            Err(error) => tracing::warn!(%error, "the embedded database did not stop cleanly"),
        }
    }
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

/// The folder of the socket: in the data folder, or a temporary one where that path is too long for a socket.
#[cfg(unix)]
struct Socket {
    folder: PathBuf,
    temporary: bool,
}

#[cfg(unix)]
impl Socket {
    const PORT: u16 = 5432;

    fn new(data: &Path) -> io::Result<Self> {
        let near = Self { folder: data.join("socket"), temporary: false };
        let socket = if near.path().as_os_str().len() <= SOCKET_PATH {
            near
        } else {
            let name = format!("baeum-{}", std::process::id());
            Self { folder: std::env::temp_dir().join(name), temporary: true }
        };
        if socket.temporary {
            // One of a dead process with the same id is in the way; one of another user makes the next line fail.
            let _ = std::fs::remove_dir_all(&socket.folder);
            let mut builder = DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&socket.folder)?;
        } else {
            make_private(&socket.folder)?;
        }
        Ok(socket)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", Self::PORT))
    }
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
        if self.temporary {
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}
