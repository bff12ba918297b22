//! What users and operators get wrong: each a clear error, nothing lost, no panic, no 500.
//!
//! `cargo test --release -p baeum-server --test bad_input -- --nocapture` prints the table of answers.

mod support;

use std::{fs, net::TcpListener};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH},
};
use serde_json::{Value, json};
use support::{Answer, Client, PASSWORD, Platform, account, command, send};
use tempfile::TempDir;

/// What was wrong, and how it was answered.
#[derive(Default)]
struct Table(Vec<(String, u16, String)>);

impl Table {
    /// Expects a problem of this status and type.
    #[track_caller]
    fn expect(&mut self, input: &str, answer: Answer, status: u16, code: &str) {
        let found = answer.problem(status);
        assert_eq!(found, code, "{input}");
        self.0.push((input.to_owned(), status, found));
    }

    #[allow(clippy::print_stdout, reason = "shown with --nocapture")]
    fn print(&self) {
        println!("| input | status | problem type |\n|---|---|---|");
        for (input, status, code) in &self.0 {
            println!("| {input} | {status} | `{code}` |");
        }
    }
}

async fn raw(client: &Client, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = client.request(method, path).header(CONTENT_TYPE, "application/json").body(body);
    send(request).await.expect("an answer")
}

async fn post(client: &Client, path: &str, body: Value) -> Answer {
    raw(client, Method::POST, path, body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_told_what_is_wrong() {
    let mut platform = Platform::embedded();
    let mut table = Table::default();
    let client = platform.client();
    let (learner, id) = client.learner("mina").await;
    let (other, other_id) = client.learner("jun").await;
    requests(&mut table, &client, &learner).await;
    identity(&mut table, &client, &learner, &other_id).await;
    level_test(&mut table, &learner, &other).await;
    lesson(&mut table, &learner, &other, &id).await;
    queries(&mut table, &learner, &id).await;
    table.print();
    assert!(table.0.iter().all(|(_, status, _)| *status != 500));
    // After all of that the server is well, and its read models are what the log says.
    client.get("/health/ready").await.expect(200);
    let metrics = client.get("/metrics").await.expect(200).to_string();
    assert!(!metrics.contains("status=\\\"500\\\""), "a request was answered 500");
    platform.verify_read_models();
    platform.stop();
}

async fn requests(table: &mut Table, client: &Client, learner: &Client) {
    table.expect("unknown path", client.get("/v1/nothing").await, 404, "no-such-route");
    let answer = raw(client, Method::DELETE, "/v1/users", "").await;
    table.expect("wrong method", answer, 405, "method-not-allowed");
    let answer = raw(client, Method::POST, "/v1/users", "{\"email\": ").await;
    table.expect("malformed JSON", answer, 400, "malformed-json");
    table.expect("JSON of another type", post(client, "/v1/users", json!([1, 2])).await, 422, "invalid-body");
    let mut wrong = account("x@example.org");
    wrong["country"] = json!(7);
    let answer = post(client, "/v1/users", wrong).await;
    assert_eq!(answer.body["field"], "country", "{:#}", answer.body);
    table.expect("a field of the wrong type", answer, 422, "invalid-body");
    let mut unknown = account("x@example.org");
    unknown["admin"] = json!(true);
    table.expect("an unknown field", post(client, "/v1/users", unknown).await, 422, "invalid-body");
    let request = client.request(Method::POST, "/v1/users").header(CONTENT_TYPE, "text/plain").body("hello");
    table.expect("not JSON at all", send(request).await.expect("an answer"), 415, "unsupported-media-type");
    let huge = json!({ "display_name": "x".repeat(70_000) });
    table.expect("a body over 64 KiB", post(client, "/v1/users", huge).await, 413, "body-too-large");
    let request = learner.request(Method::POST, "/v1/assessments").header("Idempotency-Key", "a b");
    table.expect("a key with a space", send(request).await.expect("an answer"), 400, "invalid-header");
}

async fn identity(table: &mut Table, client: &Client, learner: &Client, other: &str) {
    table.expect("no token", client.get("/v1/lessons").await, 401, "token-missing");
    let forged = learner.token.as_ref().expect("a token").rsplit_once('.').expect("a signature").0.to_owned();
    let signature = learner.token.as_ref().expect("a token").rsplit('.').next().expect("a signature");
    let reversed: String = signature.chars().rev().collect();
    let answer = client.with_token(&format!("{forged}.{reversed}")).get("/v1/lessons").await;
    table.expect("a forged signature", answer, 401, "token-invalid");
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwMTkwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAifQ.";
    table.expect("a token without algorithm", client.with_token(none).get("/v1/lessons").await, 401, "token-invalid");
    let request = client.request(Method::GET, "/v1/lessons").header(AUTHORIZATION, "Basic bWluYTpwdw==");
    table.expect("another scheme", send(request).await.expect("an answer"), 401, "token-missing");
    let wrong = json!({ "email": "mina@example.org", "password": "not her password" });
    table.expect("a wrong password", post(client, "/v1/auth/token", wrong).await, 401, "wrong-credentials");
    let nobody = json!({ "email": "nobody@example.org", "password": PASSWORD });
    table.expect("an unknown address", post(client, "/v1/auth/token", nobody).await, 401, "wrong-credentials");
    let answer = post(client, "/v1/users", account("Mina@Example.org")).await;
    table.expect("a taken address, in other letters", answer, 409, "email-taken");
    table.expect("an address that is none", post(client, "/v1/users", account("mina")).await, 422, "not-an-email");
    let mut short = account("y@example.org");
    short["password"] = json!("short");
    table.expect("a short password", post(client, "/v1/users", short).await, 422, "password-length");
    let mut control = account("y@example.org");
    control["display_name"] = json!("Mi\u{0}na");
    table.expect("a name with a control character", post(client, "/v1/users", control).await, 422, "control-character");
    let mut interest = account("y@example.org");
    interest["interests"] = json!(["knitting"]);
    table.expect(
        "an interest nobody has content for",
        post(client, "/v1/users", interest).await,
        422,
        "unknown-interest",
    );
    let path = format!("/v1/learners/{other}");
    table.expect("another learner's profile", learner.get(&path).await, 403, "not-yours");
    table.expect("another learner's progress", learner.get(&format!("{path}/progress")).await, 403, "not-yours");
    table.expect("another learner's emotion", learner.get(&format!("{path}/emotion")).await, 403, "not-yours");
    let answer = raw(learner, Method::PATCH, &path, json!({ "daily_goal_minutes": 20 }).to_string()).await;
    table.expect("changing another learner", answer, 403, "not-yours");
    table.expect("the log, as a learner", learner.get("/v1/events").await, 403, "role-missing");
    let answer = raw(learner, Method::PUT, &format!("/v1/users/{other}/roles/admin"), "").await;
    table.expect("granting a role, as a learner", answer, 403, "not-an-admin");
    table.expect("an id that is none", learner.get("/v1/learners/me").await, 422, "invalid-id");
}

async fn level_test(table: &mut Table, learner: &Client, other: &Client) {
    let unknown = "00000000-0000-7000-8000-000000000000";
    let answer = learner.get(&format!("/v1/assessments/{unknown}")).await;
    table.expect("an unknown level test", answer, 404, "assessment-not-found");
    let sitting = learner.post("/v1/assessments", json!({})).await.expect(201);
    let path = format!("/v1/assessments/{}", sitting["assessment_id"].as_str().expect("an id"));
    let responses = format!("{path}/responses");
    let item = sitting["next_item"]["id"].as_str().expect("an item");
    let response = |item: &str, choice: u32| json!({ "item_id": item, "choice": choice });
    let seen = format!("{path}?min_position={}", sitting["position"]);
    table.expect("another learner's level test", other.get(&seen).await, 403, "not-yours");
    table.expect("answering it", post(other, &responses, response(item, 0)).await, 403, "not-yours");
    table.expect(
        "an item of no catalogue",
        post(learner, &responses, response("nothing", 0)).await,
        422,
        "unknown-item",
    );
    table.expect("a choice there is not", post(learner, &responses, response(item, 9)).await, 422, "unknown-choice");
    let not_asked = if item == "c1-writing-08" { "c1-writing-07" } else { "c1-writing-08" };
    table.expect(
        "an item that is not asked",
        post(learner, &responses, response(not_asked, 0)).await,
        409,
        "item-not-asked",
    );
    post(learner, &responses, response(item, 0)).await.expect(200);
    post(learner, &responses, response(item, 0)).await.expect(200);
    let changed = post(learner, &responses, response(item, 1)).await;
    table.expect("changing an answer", changed, 409, "item-already-answered");
    post(learner, &format!("{path}/abandon"), json!({})).await.expect(200);
    let late = post(learner, &responses, response(not_asked, 0)).await;
    table.expect("answering after the end", late, 409, "assessment-ended");
    table.expect("a lesson without a level", post(learner, "/v1/lessons", json!({})).await, 409, "no-level");
}

/// Finishes a level test, so that lessons can be made.
async fn assess(learner: &Client) {
    let mut sitting = learner.post("/v1/assessments", json!({})).await.expect(201);
    let path = format!("/v1/assessments/{}/responses", sitting["assessment_id"].as_str().expect("an id"));
    while let Some(item) = sitting["next_item"]["id"].as_str() {
        sitting = learner.post(&path, json!({ "item_id": item, "choice": 1 })).await.expect(200);
    }
}

async fn lesson(table: &mut Table, learner: &Client, other: &Client, learner_id: &str) {
    assess(learner).await;
    let lesson = learner.post("/v1/lessons", json!({})).await.expect(201);
    let path = format!("/v1/lessons/{}", lesson["lesson_id"].as_str().expect("an id"));
    let (clips, attempts) = (format!("{path}/clips"), format!("{path}/attempts"));
    let plan = &lesson["plan"];
    let tasks = plan["tasks"].as_array().expect("tasks");
    let task = tasks.iter().find(|task| task["kind"] == "writing").expect("a writing task");
    let good = ["I think this is good."; 12].join(" ");
    let attempt = |answer: &str| json!({ "task_id": task["task_id"], "kind": "writing", "answer": answer });
    let seen = format!("{path}?min_position={}", lesson["position"]);
    table.expect("another learner's lesson", other.get(&seen).await, 403, "not-yours");
    table.expect("an attempt before the clip", post(learner, &attempts, attempt(&good)).await, 409, "clip-not-watched");
    let complete = format!("{path}/complete");
    table.expect("completing too early", post(learner, &complete, json!({})).await, 409, "lesson-not-done");
    let viewing = |clip: &Value, ms: i64| json!({ "clip_id": clip, "watched_ms": ms });
    let strange = post(learner, &clips, viewing(&json!("no-such-clip"), 1000)).await;
    table.expect("a clip of another lesson", strange, 422, "clip-not-in-lesson");
    let first = &plan["clips"][0]["clip_id"];
    table.expect("a viewing of no time", post(learner, &clips, viewing(first, 0)).await, 422, "impossible-viewing");
    table.expect("a negative time", post(learner, &clips, viewing(first, -5)).await, 422, "invalid-body");
    for clip in plan["clips"].as_array().expect("clips") {
        post(learner, &clips, viewing(&clip["clip_id"], 60_000)).await.expect(200);
    }
    table.expect("an empty answer", post(learner, &attempts, attempt("  \n ")).await, 422, "text-empty");
    table.expect(
        "an answer of 50 kB",
        post(learner, &attempts, attempt(&"word ".repeat(10_000))).await,
        422,
        "text-too-long",
    );
    let control = attempt(&format!("{good}\u{1b}[31m"));
    table.expect(
        "an answer with control characters",
        post(learner, &attempts, control).await,
        422,
        "control-character",
    );
    table.expect(
        "an answer that is too short",
        post(learner, &attempts, attempt("Yes.")).await,
        422,
        "answer-too-short",
    );
    let mut kind = attempt(&good);
    kind["kind"] = json!("speaking");
    table.expect(
        "a spoken answer to a writing task",
        post(learner, &attempts, kind).await,
        422,
        "wrong-kind-of-attempt",
    );
    keys(table, learner, &attempts, &attempt(&good)).await;
    for task in tasks {
        let attempt = json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": good });
        post(learner, &attempts, attempt).await.expect(201);
    }
    concurrent(learner, learner_id).await;
    post(learner, &complete, json!({})).await.expect(200);
    table.expect(
        "an attempt in a finished lesson",
        post(learner, &attempts, attempt(&good)).await,
        409,
        "lesson-ended",
    );
}

async fn keys(table: &mut Table, learner: &Client, attempts: &str, attempt: &Value) {
    let with =
        |key: &str, body: &Value| learner.request(Method::POST, attempts).header("Idempotency-Key", key).json(body);
    let first = send(with("once", attempt)).await.expect("an answer").expect(201);
    let again = send(with("once", attempt)).await.expect("an answer");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201), first, "the same key gets the same answer");
    let mut changed = attempt.clone();
    changed["duration_ms"] = json!(1);
    let answer = send(with("once", &changed)).await.expect("an answer");
    table.expect("the same key for another body", answer, 422, "idempotency-key-reused");
    let stale = learner.request(Method::POST, attempts).header(IF_MATCH, "\"1\"").json(attempt);
    table.expect("a stale If-Match", send(stale).await.expect("an answer"), 412, "stale-version");
    let malformed = learner.request(Method::POST, attempts).header(IF_MATCH, "1").json(attempt);
    table.expect("a malformed If-Match", send(malformed).await.expect("an answer"), 400, "invalid-header");
}

/// Twenty changes of one aggregate at once: each is done, or told to try again; none is lost.
async fn concurrent(learner: &Client, id: &str) {
    let path = format!("/v1/learners/{id}");
    let changes = (0..20).map(|n| {
        let (learner, path) = (learner.clone(), path.clone());
        async move { learner.patch(&path, json!({ "daily_goal_minutes": 30 + n })).await }
    });
    let answers = futures::future::join_all(changes).await;
    let mut versions: Vec<String> = vec![];
    for answer in answers {
        match answer.status.as_u16() {
            200 => versions.push(answer.headers["etag"].to_str().expect("a version").to_owned()),
            409 | 503 => assert!(answer.body["type"].is_string(), "{:#}", answer.body),
            status => panic!("{status}: {:#}", answer.body),
        }
    }
    let count = versions.len();
    versions.sort();
    versions.dedup();
    assert!(count >= 8 && versions.len() == count, "each change that was done has a version of its own: {versions:?}");
}

async fn queries(table: &mut Table, learner: &Client, id: &str) {
    let path = format!("/v1/learners/{id}/progress");
    let answer = learner.get(&format!("{path}?min_position=x")).await;
    table.expect("a position that is none", answer, 422, "invalid-query");
    let answer = learner.get(&format!("{path}?min_position=999999999")).await;
    table.expect("a position of the future", answer, 422, "position-in-the-future");
    table.expect("an unknown item", learner.get("/v1/items/nothing/parameters").await, 404, "item-not-found");
    table.expect("an unknown clip", learner.get("/v1/clips/nothing").await, 404, "clip-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_version_parks_its_learner_and_stops_nobody_else() {
    let mut platform = Platform::production().await;
    let (learner, id) = platform.client().learner("mina").await;
    let (other, other_id) = platform.client().learner("jun").await;
    let pool = &platform.database.as_ref().expect("a database").pool;
    sqlx::query(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events SELECT 'user', $1, 2, 'GoalSet', '9', '{\"GoalSet\": {}}', '{}', position,
             gen_random_uuid(), 'main', 'x', gen_random_uuid(), gen_random_uuid(), now() FROM head",
    )
    .bind(&id)
    .execute(pool)
    .await
    .expect("inserted");
    let goal = json!({ "daily_goal_minutes": 20 });
    let refused = learner.patch(&format!("/v1/learners/{id}"), goal.clone()).await;
    assert_eq!((&refused.body["event_type"], &refused.body["event_version"]), (&json!("GoalSet"), &json!(9)));
    assert_eq!(refused.problem(503), "log-unreadable");
    other.patch(&format!("/v1/learners/{other_id}"), goal).await.expect(200);
    other.post("/v1/assessments", json!({})).await.expect(201);
    let admin = platform.admin().await;
    support::eventually("the learner is parked and everything else is live", || async {
        let status = admin.get("/v1/projections").await.expect(200);
        let all = status["projections"].as_array()?.clone();
        let learners = all.iter().find(|it| it["name"] == "learners")?;
        (learners["parked_streams"] == 1 && all.iter().all(|it| it["state"] == "live")).then_some(())
    })
    .await;
    let parked = admin.get("/v1/projections/learners/parked").await.expect(200);
    assert_eq!(parked["parked"][0]["key"], json!(id));
    assert!(parked["parked"][0]["reason"].as_str().is_some_and(|it| it.contains("version 9")), "{parked:#}");
    let seen = other.get(&format!("/v1/learners/{other_id}")).await.expect(200);
    assert_eq!(seen["daily_goal_minutes"], 20);
    platform.stop();
    platform.remove_stream().await;
}

fn failure(environment: &[(&str, String)], arguments: &[&str]) -> String {
    let output = command(environment).args(arguments).output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} went well: {stderr}");
    assert!(stderr.lines().any(|line| line.starts_with("error: ")), "no readable line: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_in_use_and_a_port_that_is_taken_are_told() {
    let mut platform = Platform::embedded();
    let data = platform.data().to_str().expect("a path").to_owned();
    let told = failure(&[("BAEUM_DATA", data.clone())], &["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("in use by another baeum process") && told.contains(&data), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = TempDir::new().expect("a folder");
    let elsewhere = folder.path().to_str().expect("a path").to_owned();
    let told = failure(&[("BAEUM_DATA", elsewhere)], &["serve", "--listen", &address]);
    assert!(told.contains(&address) && told.contains("taken"), "{told}");
    platform.stop();
}

#[test]
fn a_bad_catalogue_file_is_told_with_file_and_line() {
    let folder = TempDir::new().expect("a folder");
    let item = "[[item]]\nid = \"a1\"\nlevel = \"A1\"\nskill = \"reading\"\nfocus = \"articles\"\nquestion = \"?\"\n\
                choices = [\"a\", \"b\"]\nanswer = 5\ndiscrimination = 1.0\ndifficulty = 0.0\n";
    fs::write(folder.path().join("items.toml"), item).expect("written");
    let catalog = folder.path().to_str().expect("a path").to_owned();
    let told = failure(&[("BAEUM_CATALOG", catalog)], &["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("items.toml:1: 'a1': answer 5 is no choice"), "{told}");
}

#[test]
fn wrong_configuration_names_the_variable_and_what_would_be_right() {
    let told = failure(&[("DATABASE_URL", "mysql://root:secret@host/db".into())], &["serve"]);
    assert!(told.contains("DATABASE_URL") && told.contains("postgres://") && !told.contains("secret"), "{told}");
    let told = failure(&[], &["relay"]);
    assert!(told.contains("DATABASE_URL") && told.contains("NATS_URL"), "{told}");
    let told = failure(&[("BAEUM_LISTEN", "everywhere".into())], &["serve"]);
    assert!(told.contains("BAEUM_LISTEN") && told.contains("127.0.0.1:8080"), "{told}");
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().to_str().expect("a path").to_owned();
    let told = failure(&[("BAEUM_DATA", data)], &["replay", "nothing"]);
    assert!(told.contains("no read model 'nothing'") && told.contains("progress"), "{told}");
    let told = failure(&[], &["demo", "--url", "http://127.0.0.1:1"]);
    assert!(told.contains("no server answers"), "{told}");
}
