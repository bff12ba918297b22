//! The whole of a run: private servers, processes of every role, lines between them, and clients at work.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream};
use baeum_testing::{NatsCluster, PostgresServer, eventually, free_port};
use fastrand::Rng;
use reqwest::Method;
use serde_json::json;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    ledger::{Kind, Ledger},
    line::Line,
    load::Load,
    node::{Node, tail},
    person::Person,
    support::{ADMIN, command, key_file},
};

pub(crate) const STREAM: &str = "events";
/// Two of each, so that there is one to take over.
const ROLES: [&str; 4] = ["api", "relay", "project", "process"];
/// How long everything may take to be well again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything of a run. Whatever it started ends with it.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    /// Between the clients and each API server.
    pub(crate) front: Vec<Line>,
    /// Between each API server and the database.
    pub(crate) back: Vec<Line>,
    pub(crate) postgres: PostgresServer,
    pub(crate) nats: NatsCluster,
    /// Straight to the database.
    pub(crate) pool: PgPool,
    pub(crate) ledger: Arc<Ledger>,
    probes: Vec<Person>,
    admin: Person,
    probed: u32,
    environment: Vec<(&'static str, String)>,
    _logs: TempDir,
}

impl World {
    /// Starts everything, and waits until it is well.
    pub(crate) async fn start(rng: &mut Rng) -> Self {
        let (postgres, nats) = (PostgresServer::start().await, NatsCluster::start(1).await);
        Self::on(postgres, nats, Arc::default(), rng).await
    }

    /// The same with three NATS servers that keep the stream together.
    pub(crate) async fn start_clustered(rng: &mut Rng) -> Self {
        let (postgres, nats) = (PostgresServer::start().await, NatsCluster::start(3).await);
        Self::on(postgres, nats, Arc::default(), rng).await
    }

    /// The same on servers that run, and going on with what clients were told before.
    pub(crate) async fn on(postgres: PostgresServer, nats: NatsCluster, ledger: Arc<Ledger>, rng: &mut Rng) -> Self {
        let logs = TempDir::new().expect("a folder");
        let environment = vec![
            ("DATABASE_URL", postgres.url()),
            ("NATS_URL", nats.urls()),
            ("BAEUM_STREAM", STREAM.to_owned()),
            ("BAEUM_STREAM_REPLICAS", nats.size().to_string()),
            ("BAEUM_KEY_FILE", key_file(logs.path())),
            ("BAEUM_ADMIN_EMAIL", ADMIN.0.to_owned()),
            ("BAEUM_ADMIN_PASSWORD", ADMIN.1.to_owned()),
        ];
        let migrated = command(&environment).arg("migrate").output().expect("the binary runs");
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let (mut nodes, mut front, mut back) = (vec![], vec![], vec![]);
        for role in ROLES {
            for number in 0..2 {
                let (mut environment, mut listen) = (environment.clone(), "127.0.0.1:0".to_owned());
                if role == "api" {
                    let server = SocketAddr::from(([127, 0, 0, 1], free_port()));
                    listen = server.to_string();
                    front.push(Line::to(server).await);
                    let (line, url) = line_to_database(&postgres.url()).await;
                    back.push(line);
                    environment[0].1 = url;
                }
                let mut node = Node::new(role, number, listen, environment, logs.path());
                node.start();
                nodes.push(node);
            }
        }
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy(&postgres.url())
            .expect("a URL");
        let base = |line: &Line| format!("http://{}", line.address);
        let mut admin = Person::new(&base(&front[0]), ledger.clone(), ADMIN.0, ADMIN.1, rng.fork());
        admin.sign_in().await;
        let mut probes = vec![];
        for (number, line) in front.iter().enumerate() {
            let name = format!("probe-{number}-{}", rng.u32(..));
            let probe = Person::register(&base(line), ledger.clone(), &name, rng.fork(), 0).await;
            probes.push(probe.expect("a probe does not go away"));
        }
        let mut world = Self {
            nodes,
            front,
            back,
            postgres,
            nats,
            pool,
            ledger,
            probes,
            admin,
            probed: 0,
            environment,
            _logs: logs,
        };
        world.recover().await;
        world
    }

    /// The broker, by whichever of its servers answers.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        let servers: Vec<async_nats::ServerAddr> =
            (0..self.nats.size()).map(|it| self.nats.url(it).parse().expect("a URL")).collect();
        let client = eventually("NATS answers", || async { async_nats::connect(&servers[..]).await.ok() }).await;
        jetstream::new(client)
    }

    /// The stream, as soon as the broker has it.
    pub(crate) async fn stream(&self) -> stream::Stream {
        let jetstream = self.jetstream().await;
        eventually("there is a stream", || async { jetstream.get_stream(STREAM).await.ok() }).await
    }

    /// Lets clients work, who think for `think` on average between two commands.
    pub(crate) fn load(&self, clients: usize, think: Duration, family: &str, rng: &mut Rng) -> Load {
        let bases: Vec<String> = self.front.iter().map(|line| format!("http://{}", line.address)).collect();
        Load::start(clients, &bases, &self.ledger, rng, think, family)
    }

    /// The node of this role and number.
    pub(crate) fn node(&mut self, role: &str, number: usize) -> &mut Node {
        self.nodes.iter_mut().find(|it| it.role == role && it.number == number).expect("there are two of each role")
    }

    /// Number of the node of this role that took work over last.
    pub(crate) fn active(&mut self, role: &str) -> usize {
        let words = match role {
            "relay" => "relaying",
            "project" => "projecting",
            "process" => "reacting",
            _ => return 0,
        };
        let latest = [0, 1].map(|number| self.node(role, number).last_line(words));
        usize::from(latest[1] > latest[0])
    }

    /// Waits until each API server answers a command, and everything that follows the log has come to it. Returns how
    /// long that took.
    pub(crate) async fn recover(&mut self) -> Duration {
        let began = Instant::now();
        let mut position = 0;
        for probe in &mut self.probes {
            self.probed += 1;
            let (path, key) = (format!("/v1/learners/{}", probe.id), format!("probe-{}", self.probed));
            let change = json!({ "daily_goal_minutes": 10 + self.probed % 200 });
            let answer = probe.command(Kind::Goal, Method::PATCH, &path, &key, change).await;
            let Ok(answer) = answer else {
                let complaints = self.ledger.complaints().join("\n");
                panic!("an API server cannot be used:\n{complaints}\n{}", self.told());
            };
            position = answer["position"].as_i64().expect("a position").max(position);
        }
        self.wait_for(position, began).await;
        began.elapsed()
    }

    /// Waits until everything that follows the log has come to `position`.
    pub(crate) async fn wait_for(&mut self, position: i64, began: Instant) {
        loop {
            let behind = self.behind(position).await;
            if behind.is_empty() {
                return;
            }
            let told = || format!("not well again within {} s: {behind:#?}", PATIENCE.as_secs());
            assert!(began.elapsed() < PATIENCE, "{}\n{}", told(), self.told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Registers a learner whom nobody else knows of.
    pub(crate) async fn newcomer(&mut self, rng: &mut Rng) -> Uuid {
        let (base, name) = (format!("http://{}", self.front[0].address), format!("newcomer-{}", rng.u64(..)));
        let newcomer = Person::register(&base, self.ledger.clone(), &name, rng.fork(), 0).await;
        newcomer.expect("a newcomer does not go away").id
    }

    /// Read models and the keys of their streams that stand still.
    pub(crate) async fn parked(&mut self) -> Vec<(String, String)> {
        let mut parked = vec![];
        let status = self.admin.get("/v1/projections").await.expect("an answer");
        for name in status["projections"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()) {
            let answer = self.admin.get(&format!("/v1/projections/{name}/parked")).await.expect("an answer");
            let keys = answer["parked"].as_array().expect("a list").iter();
            parked.extend(keys.map(|it| (name.to_owned(), it["key"].as_str().expect("a key").to_owned())));
        }
        parked
    }

    /// Has the event skipped at which a stream of a read model stands still.
    pub(crate) async fn skip(&mut self, projection: &str, key: &str) {
        self.probed += 1;
        let (path, id) = (format!("/v1/projections/{projection}/parked/{key}/skip"), format!("skip-{}", self.probed));
        let body = json!({ "reason": "a drill" });
        self.admin.command(Kind::Skip, Method::POST, &path, &id, body).await.expect("an operator does not go away");
    }

    /// Waits until nothing follows any more from what is there, while nobody works. Returns the head.
    pub(crate) async fn settle(&mut self) -> i64 {
        let began = Instant::now();
        loop {
            let head = "SELECT position FROM log_head";
            let head: i64 = sqlx::query_scalar(head).fetch_one(&self.pool).await.expect("the database answers");
            self.wait_for(head, began).await;
            let now: i64 = sqlx::query_scalar("SELECT position FROM log_head")
                .fetch_one(&self.pool)
                .await
                .expect("the database answers");
            if now == head {
                return head;
            }
        }
    }

    /// What is not where it should be.
    async fn behind(&mut self, position: i64) -> Vec<String> {
        let mut behind = vec![];
        for node in &mut self.nodes {
            if let Some(status) = node.ended_by_itself() {
                behind.push(format!("{} {} ended by itself with {status}", node.role, node.number));
            }
        }
        match self.admin.get("/v1/projections").await {
            None => behind.push("the API does not answer".to_owned()),
            Some(answer) => {
                let all = answer["projections"].as_array().cloned().unwrap_or_default();
                let late = all.iter().filter(|it| it["position"].as_i64() < Some(position) || it["state"] == "failed");
                behind.extend(late.map(|it| format!("projection {it}")));
            }
        }
        let followers = "
            SELECT 'process ' || process || ' at ' || position || coalesce(': ' || error, '') FROM process_cursors
            WHERE position < $1
            UNION ALL
            SELECT 'command ' || step || ' of ' || process || ' at ' || position || ' ' || status || ', tried '
                   || attempts || ' times' || coalesce(': ' || last_error, '')
            FROM process_commands WHERE position <= $1
            UNION ALL
            SELECT 'the relay is at ' || coalesce(max(position), 0) FROM relay_positions
            HAVING coalesce(max(position), 0) < $1";
        match sqlx::query_scalar::<_, String>(followers).bind(position).fetch_all(&self.pool).await {
            Ok(found) => behind.extend(found),
            Err(error) => behind.push(format!("the database: {error}")),
        }
        behind
    }

    /// The output of a subcommand, and whether it succeeded.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::from(command(&self.environment));
        let output = command.args(arguments).kill_on_drop(true).output().await.expect("the binary runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), format!("{stdout}{stderr}"))
    }

    /// The last words of every process.
    pub(crate) fn told(&self) -> String {
        let mut all: Vec<String> = self.nodes.iter().map(Node::told).collect();
        all.extend((0..self.nats.size()).map(|it| format!("--- nats-server {it}\n{}", tail(&self.nats.log(it), 20))));
        all.join("\n")
    }
}

/// A line to the database, and its URL by that line.
async fn line_to_database(url: &str) -> (Line, String) {
    let (before, rest) = url.split_once('@').expect("a user");
    let (host, database) = rest.split_once('/').expect("a database");
    let line = Line::to(host.parse().expect("an address")).await;
    let url = format!("{before}@{}/{database}", line.address);
    (line, url)
}
