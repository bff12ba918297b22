//! What the journeys and the fault tests share: real processes of the real binary, in both modes, and a client.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its part")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub use baeum_testing::eventually;
use baeum_testing::{TestDatabase, nats_url, stream_name};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const ADMIN: (&str, &str) = ("admin@example.org", "a password for tests");
const START: Duration = Duration::from_secs(60);

/// A process of the binary, killed at the latest when the test ends.
pub struct Process {
    child: Child,
    role: &'static str,
}

impl Process {
    /// Starts a role; with where it serves, when it serves HTTP.
    pub fn start(role: &'static str, listen: &str, environment: &[(&str, String)]) -> (Self, Option<String>) {
        let mut child = command(environment)
            .args([role, "--listen", listen])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("a pipe");
        let mut process = Self { child, role };
        if !matches!(role, "serve" | "api") {
            return (process, None);
        }
        let mut lines = BufReader::new(stdout).lines();
        let url = lines.find_map(|line| Some(line.ok()?.strip_prefix("Baeum is ready at ")?.to_owned()));
        // What it prints from now on is of no interest, but must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(url) = url else {
            let status = process.child.wait().expect("it ended");
            panic!("the role {role} ended with {status} before it was ready");
        };
        (process, Some(url))
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to end, and expects that it does so cleanly.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                assert!(status.success(), "the role {} ended with {status}", self.role);
                return;
            }
            assert!(asked.elapsed() < Duration::from_secs(30), "the role {} did not stop", self.role);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with the environment of a test and nothing of the machine's.
pub fn command(environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.env("BAEUM_LOG_LEVEL", "error,sqlx=off");
    command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
    command
}

/// A platform that runs: embedded in one process, or a process a role on Postgres and JetStream.
pub struct Platform {
    /// The processes, the one that answers HTTP first.
    pub processes: Vec<Process>,
    /// The variables of the processes.
    pub environment: Vec<(&'static str, String)>,
    listen: String,
    data: TempDir,
    /// The database of the production mode.
    pub database: Option<TestDatabase>,
    stream: Option<String>,
    one_process: bool,
}

const ROLES: [&str; 4] = ["api", "relay", "project", "process"];

impl Platform {
    /// One process with everything in it.
    pub fn embedded() -> Self {
        let data = TempDir::new().expect("a folder");
        let environment = vec![("BAEUM_DATA", text(data.path()))];
        Self::start(environment, data, None, None)
    }

    /// A process a role.
    pub async fn production() -> Self {
        Self::production_with(&[]).await
    }

    /// A process a role, with variables besides.
    pub async fn production_with(variables: &[(&'static str, &str)]) -> Self {
        let data = TempDir::new().expect("a folder");
        let (database, stream) = (TestDatabase::create().await, stream_name());
        let mut environment =
            vec![("DATABASE_URL", database.url()), ("NATS_URL", nats_url()), ("BAEUM_STREAM", stream.clone())];
        environment.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self::start(environment, data, Some(database), Some(stream))
    }

    /// Everything in one process on a real database (and broker) that is reached by these URLs.
    pub fn on(database: TestDatabase, database_url: &str, nats_url: Option<&str>) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut environment = vec![("DATABASE_URL", database_url.to_owned())];
        let stream = nats_url.map(|_| stream_name());
        if let (Some(url), Some(stream)) = (nats_url, &stream) {
            environment.extend([("NATS_URL", url.to_owned()), ("BAEUM_STREAM", stream.clone())]);
        }
        let mut platform = Self::prepare(environment, data, Some(database), stream);
        platform.one_process = true;
        platform.start_all();
        platform
    }

    /// Several shards: the file that tells of them, and the databases and variables that it names.
    pub fn sharded(file: &str, environment: Vec<(&'static str, String)>, one_process: bool) -> Self {
        let data = TempDir::new().expect("a folder");
        let path = data.path().join("shards.toml");
        std::fs::write(&path, file).expect("a file");
        let mut environment = environment;
        environment.extend([("BAEUM_SHARDS", text(&path)), ("NATS_URL", nats_url())]);
        let mut platform = Self::prepare(environment, data, None, None);
        platform.one_process = one_process;
        platform.start_all();
        platform
    }

    fn start(
        environment: Vec<(&'static str, String)>,
        data: TempDir,
        database: Option<TestDatabase>,
        stream: Option<String>,
    ) -> Self {
        let mut platform = Self::prepare(environment, data, database, stream);
        platform.start_all();
        platform
    }

    fn prepare(
        mut environment: Vec<(&'static str, String)>,
        data: TempDir,
        database: Option<TestDatabase>,
        stream: Option<String>,
    ) -> Self {
        environment.push(("BAEUM_KEY_FILE", key_file(data.path())));
        environment.push(("BAEUM_ADMIN_EMAIL", ADMIN.0.to_owned()));
        environment.push(("BAEUM_ADMIN_PASSWORD", ADMIN.1.to_owned()));
        let listen = "127.0.0.1:0".to_owned();
        Self { processes: vec![], one_process: database.is_none(), environment, listen, data, database, stream }
    }

    fn roles(&self) -> &'static [&'static str] {
        if self.one_process { &["serve"] } else { &ROLES }
    }

    fn start_all(&mut self) {
        for number in 0..self.roles().len() {
            self.start_role(number);
        }
    }

    fn start_role(&mut self, number: usize) {
        let role = self.roles()[number];
        let (process, url) = Process::start(role, &self.listen, &self.environment);
        if let Some(url) = url {
            // A restart serves at the same address.
            url.trim_start_matches("http://").clone_into(&mut self.listen);
        }
        if number < self.processes.len() {
            self.processes[number] = process;
        } else {
            self.processes.push(process);
        }
    }

    /// Starts process `number`, which was killed.
    pub fn restart(&mut self, number: usize) {
        self.start_role(number);
    }

    /// Kills process `number` and starts it again.
    pub fn kill_and_restart(&mut self, number: usize) {
        self.processes[number].kill();
        self.start_role(number);
    }

    /// Stops every process, and expects that each ends cleanly.
    pub fn stop(&mut self) {
        self.processes.iter_mut().for_each(Process::stop);
    }

    /// Starts every process again.
    pub fn start_again(&mut self) {
        self.processes.clear();
        self.start_all();
    }

    /// A client that is not signed in.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.listen))
    }

    /// A client of the administrator.
    pub async fn admin(&self) -> Client {
        self.client().sign_in(ADMIN.0, ADMIN.1).await.0
    }

    /// The output of a subcommand on this platform's database; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = command(&self.environment).args(arguments).output().expect("the binary runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} ended with {}: {stdout}{stderr}", output.status);
        stdout.into_owned()
    }

    /// Where the files of the embedded database are.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Compares every read model with one that is derived anew from the log, row by row.
    pub fn verify_read_models(&mut self) {
        // The embedded database has one owner at a time.
        let embedded = self.database.is_none();
        if embedded {
            self.stop();
        }
        let compared = self.run(&["replay", "all", "--verify"]);
        assert!(compared.lines().count() >= 7, "{compared}");
        if embedded {
            self.start_again();
        }
    }

    /// How many messages the stream of the production mode holds.
    pub async fn messages(&self) -> u64 {
        let nats = async_nats::connect(nats_url()).await.expect("NATS answers");
        let stream = async_nats::jetstream::new(nats).get_stream(self.stream.as_ref().expect("a stream")).await;
        stream.expect("the stream").get_info().await.expect("known").state.messages
    }

    /// Removes the stream of the production mode from the broker.
    pub async fn remove_stream(&self) {
        if let Some(stream) = &self.stream {
            let nats = async_nats::connect(nats_url()).await.expect("NATS answers");
            async_nats::jetstream::new(nats).delete_stream(stream).await.expect("removed");
        }
    }
}

/// A key file in a folder: the same keys each time, so that a database can be served again.
pub fn key_file(folder: &Path) -> String {
    let path = folder.join("test-keys.toml");
    let (digest, wrapping) = ("d1".repeat(32), "3e".repeat(32));
    let keys = format!("[digest]\nsecret = \"{digest}\"\n[[wrapping]]\nname = \"1\"\nsecret = \"{wrapping}\"\n");
    std::fs::write(&path, keys).expect("a key file");
    text(&path)
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, after a check of the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// The last part of the problem's type, after a check that it is a well-formed problem.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        for member in ["type", "title", "detail", "instance"] {
            assert!(self.body[member].as_str().is_some_and(|it| !it.is_empty()), "no {member}: {:#}", self.body);
        }
        assert_eq!(self.body["status"], status);
        self.body["type"].as_str().and_then(|it| it.rsplit('/').next()).expect("a type").to_owned()
    }
}

/// An HTTP client, signed in or not.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub token: Option<String>,
    /// The tenant that is named where there is no token yet.
    pub tenant: Option<&'static str>,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        Self { http, base: base.to_owned(), token: None, tenant: None }
    }

    /// The same client for another tenant than the first.
    pub fn of_tenant(&self, tenant: &'static str) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match (&self.token, self.tenant) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some(tenant)) => request.header("Baeum-Tenant", tenant),
            (None, None) => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await.expect("an answer")
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await.expect("an answer")
    }

    /// Sends a command with a key until it is answered, as a client does whose server may be killed.
    pub async fn insist(&self, method: Method, path: &str, key: &str, body: Value) -> Answer {
        let began = Instant::now();
        loop {
            let request = self.request(method.clone(), path).header("Idempotency-Key", key).json(&body);
            match send(request).await {
                Ok(answer) if !matches!(answer.status.as_u16(), 409 | 502 | 503) => return answer,
                Ok(answer) if answer.status == 409 && !may_pass(&answer) => return answer,
                other => assert!(began.elapsed() < START, "{method} {path} was not answered: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Signs in; the client and the user's id. Insists where the server says that it cannot at the moment.
    pub async fn sign_in(&self, email: &str, password: &str) -> (Self, String) {
        let began = Instant::now();
        let token = loop {
            let answer = self.post("/v1/auth/token", json!({ "email": email, "password": password })).await;
            if answer.status != 503 || began.elapsed() > START {
                break answer.expect(200);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let id = token["user_id"].as_str().expect("an id").to_owned();
        (self.with_token(token["access_token"].as_str().expect("a token")), id)
    }

    /// Registers a learner and signs in; the client and the learner's id.
    pub async fn learner(&self, name: &str) -> (Self, String) {
        let email = format!("{name}@example.org");
        let account = account(&email);
        self.insist(Method::POST, "/v1/users", &format!("register-{name}"), account).await.expect(201);
        loop {
            let request = self.request(Method::POST, "/v1/auth/token");
            match send(request.json(&json!({ "email": email, "password": PASSWORD }))).await {
                Ok(answer) if answer.status == 200 => {
                    let id = answer.body["user_id"].as_str().expect("an id").to_owned();
                    return (self.with_token(answer.body["access_token"].as_str().expect("a token")), id);
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

pub const PASSWORD: &str = "correct horse battery";

/// A learner's registration.
pub fn account(email: &str) -> Value {
    json!({
        "email": email,
        "password": PASSWORD,
        "display_name": "Mina",
        "native_language": "ko",
        "country": "KR",
        "time_zone": "Asia/Seoul",
        "interests": ["travel", "food"],
    })
}

/// Whether a conflict is over in a moment.
fn may_pass(answer: &Answer) -> bool {
    let kind = answer.body["type"].as_str().unwrap_or_default();
    kind.ends_with("in-flight") || kind.ends_with("evaluation-pending")
}

/// Sends a request and reads the whole answer.
pub async fn send(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await?;
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    Ok(Answer { status, headers, body })
}

/// Every event of the log, read page by page.
pub async fn all_events(auditor: &Client) -> Vec<Value> {
    let mut events = vec![];
    loop {
        let after = events.last().map_or(0, |event: &Value| event["position"].as_i64().expect("a position"));
        let page = auditor.get(&format!("/v1/events?after={after}&limit=1000")).await.expect(200);
        let found = page["events"].as_array().expect("a list").clone();
        if found.is_empty() {
            return events;
        }
        events.extend(found);
    }
}
