//! A Postgres server of one test, on a free port of this machine: it can be stopped, killed and paused without harm to
//! any other.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    net::TcpListener,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    str::FromStr as _,
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

/// Where programs of Postgres are kept when they are not on the `PATH`; the newest counts.
const FOLDERS: [&str; 2] = ["/usr/lib/postgresql", "/usr/pgsql"];
/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// The user that Postgres runs as where this process is root, which Postgres refuses.
const USER: &str = "postgres";

/// A private Postgres. It ends, and its files go, when this is dropped.
pub struct PostgresServer {
    folder: PathBuf,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
    paused: bool,
}

impl PostgresServer {
    /// Makes a cluster and starts a server on it, with durable commits.
    ///
    /// # Panics
    /// When Postgres is not installed, or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings such as `synchronous_commit=off`.
    ///
    /// # Panics
    /// When Postgres is not installed, or does not start.
    pub async fn start_with(settings: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("baeum_postgres_{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("the folder is given away");
        }
        let settings = settings.iter().map(ToString::to_string).collect();
        let port = free_port();
        let mut server = Self { folder, programs: programs(), owner, port, settings, child: None, paused: false };
        server.make_cluster();
        server.start_again().await;
        server
    }

    /// Where it answers: the administrative database, without a password.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process id of the server.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Starts it after a stop or a kill, at the same port, and waits until it answers.
    ///
    /// # Panics
    /// When it runs already, or does not start.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let began = Instant::now();
        let options = PgConnectOptions::from_str(&self.url()).expect("a URL");
        loop {
            // After a kill the old server's processes may still hold the port or the memory: then it ends again.
            let mut child = self.child.take().unwrap_or_else(|| self.spawn());
            let ended = child.try_wait().expect("it can be waited for");
            self.child = ended.is_none().then_some(child);
            if let Some(status) = ended {
                assert!(began.elapsed() < PATIENCE, "Postgres ended with {status}: {}", self.log());
            } else if let Ok(Ok(connection)) =
                tokio::time::timeout(Duration::from_secs(1), PgConnection::connect_with(&options)).await
            {
                let _ = connection.close().await;
                return;
            }
            assert!(began.elapsed() < PATIENCE, "Postgres does not answer: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it in order (fast mode): transactions are rolled back, files are closed.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        self.end("-INT");
    }

    /// Stops it in immediate mode: as after a power failure, it recovers at the next start.
    ///
    /// # Panics
    /// When it does not end.
    pub fn crash(&mut self) {
        self.end("-QUIT");
    }

    /// Crashes it and starts it again.
    ///
    /// # Panics
    /// When it does not end or start.
    pub async fn restart_immediate(&mut self) {
        self.crash();
        self.start_again().await;
    }

    /// Stops the clock of the server and of all its backends (SIGSTOP): connections stand, nothing answers.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&mut self) {
        let postmaster = self.pid();
        // First the one that could start others.
        signal("-STOP", &[postmaster]);
        signal("-STOP", &children(postmaster));
        self.paused = true;
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&mut self) {
        let postmaster = self.pid();
        signal("-CONT", &children(postmaster));
        signal("-CONT", &[postmaster]);
        self.paused = false;
    }

    fn end(&mut self, how: &str) {
        if self.paused {
            self.resume();
        }
        let Some(mut child) = self.child.take() else { return };
        signal(how, &[child.id()]);
        let asked = Instant::now();
        while child.try_wait().expect("it can be waited for").is_none() {
            assert!(asked.elapsed() < PATIENCE, "Postgres does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn make_cluster(&self) {
        let data = self.folder.join("data");
        let made = self
            .command("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb failed: {}", text(&made));
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.folder.join("server.log")).expect("a log file");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.join("data")).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("postgres runs")
    }

    /// A program of this Postgres, such as `pg_dump`, in a folder and as a user that it accepts.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder);
        if let Some((user, group)) = self.owner {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, group);
        }
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pids = [&[child.id()], children(child.id()).as_slice()].concat();
            signal("-CONT", &pids);
            signal("-QUIT", &[child.id()]);
            let asked = Instant::now();
            while matches!(child.try_wait(), Ok(None)) {
                if asked.elapsed() > Duration::from_secs(10) {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder of `initdb` and `postgres`.
fn programs() -> PathBuf {
    let has_both = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let mut found: Vec<(u32, PathBuf)> = vec![];
    for entry in FOLDERS.iter().filter_map(|it| fs::read_dir(it).ok()).flatten().flatten() {
        let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        found.push((version, entry.path().join("bin")));
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = found.into_iter().map(|(_, folder)| folder).chain(std::env::split_paths(&path));
    all.find(|it| has_both(it)).expect("Postgres is installed on this machine (Debian: apt-get install postgresql)")
}

/// User and group for the server, where this process is root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok().filter(|it| it.status.success())?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    let is_root = id(&["-u"]) == Some(0);
    is_root.then(|| {
        let user = [USER, "nobody"].into_iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
        user.expect("there is a user 'postgres' or 'nobody'")
    })
}

/// A port that nobody listens on at this moment, and that no other caller in this process is given. It lies below those
/// that systems hand out by themselves (from 32768 on), so that no connection takes it before it is used.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    const PORTS: Range<u16> = 20_000..32_000;
    let count = PORTS.end - PORTS.start;
    // Test binaries that run beside each other begin at different places.
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(count)).expect("less than the count");
    let mut tries = PORTS.map(|_| PORTS.start + (begin + GIVEN.fetch_add(1, Ordering::Relaxed) % count) % count);
    tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let of_parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before it is in parentheses and may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1).and_then(|it| it.parse().ok()) == Some(parent)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(of_parent).collect()
}

/// Sends a signal to processes by their ids; one that is gone by now is none of our business.
fn signal(name: &str, pids: &[u32]) {
    for pid in pids {
        let sent: io::Result<Output> = Command::new("kill").args([name, &pid.to_string()]).output();
        if let Err(error) = sent {
            assert!(error.kind() != ErrorKind::NotFound, "the program 'kill' is missing");
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestDatabase;

    async fn answers(database: &TestDatabase) -> bool {
        let asked = sqlx::query_scalar::<_, i64>("SELECT position FROM log_head").fetch_one(&database.pool);
        tokio::time::timeout(Duration::from_millis(500), asked).await.is_ok_and(|it| it.is_ok())
    }

    #[tokio::test]
    async fn a_private_server_keeps_what_was_committed_through_pauses_and_crashes() {
        let mut server = PostgresServer::start().await;
        let database = TestDatabase::create_on(&server.url(), 2).await;
        sqlx::query("UPDATE log_head SET position = 7").execute(&database.pool).await.expect("committed");
        server.pause();
        assert!(!answers(&database).await, "a paused server answers");
        server.resume();
        server.restart_immediate().await;
        let position: i64 = crate::eventually("the pool connects again", || async {
            sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&database.pool).await.ok()
        })
        .await;
        assert_eq!(position, 7);
        server.stop();
        assert!(!answers(&database).await, "a stopped server answers");
        server.start_again().await;
        crate::eventually("it answers", || async { answers(&database).await.then_some(()) }).await;
        let folder = server.folder.clone();
        drop((database, server));
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}
