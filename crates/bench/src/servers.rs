//! Private servers for a run: a Postgres as `initdb` makes it, so with durable commits, and a nats-server with a file
//! store. They listen on loopback only, live in a temporary folder, and end with the run.

use std::{
    env, fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// Enough for every subject's pools at once.
const MAX_CONNECTIONS: u32 = 300;
/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(60);

/// Whether `DATABASE_URL` and `NATS_URL` name servers to use.
pub(crate) fn are_given() -> bool {
    env::var_os("DATABASE_URL").is_some() && env::var_os("NATS_URL").is_some()
}

/// Starts what is not given, runs this program again with both URLs set, and stops what it started.
pub(crate) async fn run_with_own() -> Result<ExitCode, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let folder = tempfile::Builder::new().prefix("baeum-bench.").tempdir()?;
    let mut servers = Servers { running: vec![], folder };
    let mut command = tokio::process::Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).kill_on_drop(true);
    if env::var_os("DATABASE_URL").is_none() {
        command.env("DATABASE_URL", servers.start_postgres().await?);
    }
    if env::var_os("NATS_URL").is_none() {
        command.env("NATS_URL", servers.start_nats().await?);
    }
    let mut child = command.spawn()?;
    // An interrupt reaches this program, the child and the servers alike; all of them end.
    let status = tokio::select! {
        status = child.wait() => status?,
        _ = tokio::signal::ctrl_c() => child.wait().await?,
        _ = terminate.recv() => {
            child.kill().await?;
            return Ok(ExitCode::FAILURE);
        }
    };
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Servers {
    running: Vec<(&'static str, Child)>,
    folder: TempDir,
}

impl Servers {
    async fn start_postgres(&mut self) -> Result<String, Failure> {
        let programs = postgres_programs().ok_or(
            "Postgres is missing: install it (Debian, Ubuntu: apt-get install postgresql), or set DATABASE_URL",
        )?;
        let home = self.folder.path().join("postgres");
        fs::create_dir(&home)?;
        let user = self.give_to_postgres(&home)?;
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            // Postgres refuses root.
            if let Some((uid, gid)) = user {
                command.gid(gid).uid(uid);
            }
            command.current_dir(&home).stdin(Stdio::null());
            command
        };
        let made = command("initdb")
            .args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .output()?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let port = free_port()?;
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={MAX_CONNECTIONS}"),
        ];
        let mut server = command("postgres");
        server.args(["-D", "data", "-p", &port.to_string()]);
        for setting in &settings {
            server.args(["-c", setting]);
        }
        server.stdout(Stdio::null()).stderr(fs::File::create(self.folder.path().join("postgres.log"))?);
        self.running.push(("Postgres", server.spawn()?));
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let began = Instant::now();
        while let Err(error) = PgConnection::connect(&url).await {
            if began.elapsed() > START {
                return Err(format!("the private Postgres does not answer: {error}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tell(&format!("a private Postgres runs at {url}"));
        Ok(url)
    }

    /// The user to run Postgres as, where this one may not.
    fn give_to_postgres(&self, home: &Path) -> Result<Option<(u32, u32)>, Failure> {
        if fs::metadata(home)?.uid() != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let user: (u32, u32) = ids("postgres").or_else(|| ids("nobody")).ok_or("no user to run Postgres as")?;
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755))?;
        chown(home, Some(user.0), Some(user.1))?;
        Ok(Some(user))
    }

    async fn start_nats(&mut self) -> Result<String, Failure> {
        let program = find("nats-server", &["/usr/sbin", "/usr/local/bin"]).ok_or(
            "nats-server is missing: install it (Debian, Ubuntu: apt-get install nats-server), or set NATS_URL",
        )?;
        let port = free_port()?;
        let url = format!("nats://127.0.0.1:{port}");
        let server = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(self.folder.path().join("nats"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("nats.log"))?)
            .spawn()?;
        self.running.push(("NATS", server));
        let began = Instant::now();
        while let Err(error) = async_nats::connect(&url).await {
            if began.elapsed() > START {
                return Err(format!("the private nats-server does not answer: {error}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tell(&format!("a private NATS runs at {url}"));
        Ok(url)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (name, server) in &mut self.running {
            // An interrupt is Postgres' fast shutdown, and ends nats-server as well.
            let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
            let began = Instant::now();
            while matches!(server.try_wait(), Ok(None)) {
                if began.elapsed() > START {
                    tell(&format!("{name} does not end; killing it"));
                    let _ = server.kill();
                    let _ = server.wait();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Says on stderr what goes on; stdout is for results.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn find(program: &str, also: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(also.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|program| program.is_file())
}

/// The folder of `initdb` and `postgres`: the newest of the machine. Debian keeps them off the PATH.
fn postgres_programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder).or_else(|| find("initdb", &[])?.parent().map(Path::to_path_buf))
}
