//! The full command over HTTP: token, idempotency key, load, decide, append, answer, by the real binary in its `api`
//! role; beside the log's own rate with the very same commands, events and receipts.
//!
//! The command is a change of the daily goal, one event. One administrator's token changes the goals of many learners, as
//! one learner's is used for many requests: a server that remembers the tokens it has verified may make use of that.

mod http;

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use baeum_domain::{
    identity::user::{self, Role, User, samples},
    ids::UserId,
};
use baeum_eventlog::EventLog;
use baeum_testing::{TestDatabase, new_id, stream_name};
use futures::future::{BoxFuture, try_join_all};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use uuid::Uuid;

use crate::{
    Failure, Settings,
    append::{
        CONNECTIONS,
        ours::{Ours, context},
    },
    drive::{Client, Measured, drive},
    report::{Row, resident_mb},
    servers::tell,
};
use http::Connection;

/// How many connections, or callers.
const CLIENTS: [usize; 2] = [64, 512];
/// How many learners' goals are changed: streams stay as short as a learner's.
const LEARNERS: usize = 4_096;
/// How often both have their turn.
const ROUNDS: u32 = 2;
/// Who may change every learner's goal.
const ADMIN: (&str, &str) = ("bench@example.org", "a password for benchmarks");
/// How long the server may take to be ready.
const START: Duration = Duration::from_secs(60);

/// All rows.
pub(crate) async fn run(settings: &Settings) -> Result<Vec<Row>, Failure> {
    let (served, direct) = (TestDatabase::create().await, TestDatabase::create().await);
    tell(&format!("command: registering {LEARNERS} learners, twice"));
    let learners: Arc<[Uuid]> = {
        let log = Ours::open(&served.url(), CONNECTIONS, true).await?.log().clone();
        register(&log).await?.into()
    };
    let server = Server::start(&served.url()).await?;
    let token = server.sign_in().await?;
    let log = Ours::open(&direct.url(), CONNECTIONS, true).await?.log().clone();
    let known: Arc<[Uuid]> = register(&log).await?.into();
    let keys = Arc::new(AtomicU64::new(0));
    let mut rows = vec![];
    for clients in CLIENTS {
        let (mut over_http, mut alone) = (Measured::default(), Measured::default());
        for _ in 0..ROUNDS {
            tell(&format!("command: over HTTP, {clients} connections"));
            let mut callers: Vec<Box<dyn Client>> = vec![];
            for index in 0..clients {
                let connection = Connection::open(&server.address).await?;
                let goals = Goals::new(&learners, index, clients);
                callers.push(Box::new(HttpCaller { connection, goals, token: token.clone(), keys: keys.clone() }));
            }
            over_http.extend(drive(callers, settings.window(ROUNDS)).await?);
            tell(&format!("command: the log alone, {clients} clients"));
            let caller = |index| -> Box<dyn Client> {
                Box::new(LogCaller { log: log.clone(), goals: Goals::new(&known, index, clients) })
            };
            alone.extend(drive((0..clients).map(caller).collect(), settings.window(ROUNDS)).await?);
        }
        let row = |subject: &str, it: Measured| Row::new("command", subject, clients, it.latencies, it.took);
        let peer = row("the same commands through EventLog::execute", alone).with_events(1.0);
        let mut ours = row("PATCH /v1/learners/{id}", over_http).with_events(1.0);
        ours.rss_mb = server.process.id().and_then(|it| resident_mb(&it.to_string()));
        rows.extend([ours.beside(&peer), peer]);
    }
    Ok(rows)
}

/// Registers learners straight through the log: their passwords are not what is measured.
async fn register(log: &EventLog) -> Result<Vec<Uuid>, Failure> {
    let ids: Vec<Uuid> = (0..LEARNERS).map(|_| new_id()).collect();
    for group in ids.chunks(512) {
        try_join_all(group.iter().map(|id| {
            let command = user::Command::Register {
                user_id: UserId(*id),
                roles: [Role::Learner].into(),
                preferences: samples::preferences(),
            };
            execute(log, *id, command, None)
        }))
        .await?;
    }
    Ok(ids)
}

async fn execute(log: &EventLog, id: Uuid, command: user::Command, fingerprint: Option<String>) -> Result<(), Failure> {
    let prepare = |_| std::future::ready(Ok::<_, user::Error>(command.clone()));
    let id = id.to_string();
    // What a change of a profile answers.
    log.execute::<User, _, _, _>(&context(fingerprint), &id, prepare, |user, _| user.profile.clone()).await?;
    Ok(())
}

/// Whose goal one client changes next, and to what: its own share of the learners, in turn.
struct Goals {
    learners: Vec<Uuid>,
    next: usize,
    minutes: u16,
}

impl Goals {
    fn new(learners: &[Uuid], index: usize, clients: usize) -> Self {
        // Minutes start anywhere, so that the first change of a round is one.
        let minutes = u16::from(new_id().as_bytes()[15]);
        Self { learners: learners.iter().copied().skip(index).step_by(clients).collect(), next: 0, minutes }
    }

    fn next(&mut self) -> (Uuid, u16) {
        self.next += 1;
        if self.next >= self.learners.len() {
            self.next = 0;
            self.minutes += 1;
        }
        (self.learners[self.next], 5 + self.minutes % 236)
    }
}

struct HttpCaller {
    connection: Connection,
    goals: Goals,
    token: Arc<str>,
    keys: Arc<AtomicU64>,
}

impl Client for HttpCaller {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let (learner, minutes) = self.goals.next();
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let body = format!("{{\"daily_goal_minutes\":{minutes}}}");
        let request = format!(
            "PATCH /v1/learners/{learner} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\
             idempotency-key: bench-{key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        Box::pin(async move { self.connection.ask(&request).await.map(drop) })
    }
}

struct LogCaller {
    log: EventLog,
    goals: Goals,
}

impl Client for LogCaller {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let (learner, minutes) = self.goals.next();
        let command =
            user::Command::Change { preferences: None, daily_minutes: Some(minutes), emotion_care_policy: None };
        // As long as the digest of a request.
        let fingerprint = Some("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned());
        Box::pin(execute(&self.log, learner, command, fingerprint))
    }
}

/// The binary in its `api` role.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    async fn start(database: &str) -> Result<Self, Failure> {
        let program = binary()?;
        let keys = std::env::temp_dir().join(format!("{}-keys.toml", stream_name()));
        let made = Command::new(&program).args(["keys", "create", "--key-file"]).arg(&keys).output().await?;
        if !made.status.success() {
            return Err("no key file could be made".into());
        }
        let mut process = Command::new(program)
            .args(["api", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", database)
            .env("BAEUM_KEY_FILE", &keys)
            .env("BAEUM_STREAM", stream_name())
            .env("BAEUM_ADMIN_EMAIL", ADMIN.0)
            .env("BAEUM_ADMIN_PASSWORD", ADMIN.1)
            .env("BAEUM_LOG_LEVEL", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no stdout")?).lines();
        let ready = async {
            while let Some(line) = said.next_line().await? {
                if let Some(address) = line.strip_prefix("Baeum is ready at http://") {
                    return Ok(address.trim_end_matches('/').to_owned());
                }
            }
            Err::<_, Failure>("the server ended before it was ready".into())
        };
        let address = tokio::time::timeout(START, ready).await??;
        // It has read them.
        std::fs::remove_file(keys)?;
        Ok(Self { process, address })
    }

    async fn sign_in(&self) -> Result<Arc<str>, Failure> {
        let body = format!("{{\"email\":\"{}\",\"password\":\"{}\"}}", ADMIN.0, ADMIN.1);
        let request = format!(
            "POST /v1/auth/token HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len(),
        );
        let answer = Connection::open(&self.address).await?.ask(&request).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["access_token"].as_str().ok_or("the server gave no token")?.into())
    }
}

/// `baeum`, which is built beside this program.
fn binary() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name("baeum");
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("{} is missing: build it with 'cargo build --release'", path.display()).into())
}
