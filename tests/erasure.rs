//! Forgetting a person, from outside: what they were called, where they are reached and what they wrote is looked for in
//! every file that the platform has written, and in everything that it tells.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use baeum_testing::{NatsCluster, PostgresServer, TestDatabase};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, PgPool};
use support::{ADMIN, Answer, Client, PASSWORD, Platform, Process, command, eventually, key_file};
use tempfile::TempDir;

/// What is looked for.
const NAME: &str = "미나 Quillmarker";
const EMAIL: &str = "quillmarker-mina@example.org";
const TEXT: &str =
    "Yesterday my zebrafinch and 얼룩말표식 went to the old market, and we buyed many fruits there together.";
const MARKERS: [&str; 5] = ["Quillmarker", "quillmarker", "미나", "zebrafinch", "얼룩말표식"];

/// A server with two tenants on servers of its own.
struct World {
    postgres: PostgresServer,
    nats: NatsCluster,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    server: Process,
    base: String,
}

impl World {
    async fn start() -> Self {
        let (postgres, nats) = (PostgresServer::start().await, NatsCluster::start(1).await);
        let folder = TempDir::new().expect("a folder");
        let shards = folder.path().join("shards.toml");
        let file = "[[shard]]\nnumber = 0\ndatabase_url = \"${ERASURE_DATABASE}\"\nstream = \"events\"\n\
                    tenants = [\"main\", \"busan\"]\n";
        fs::write(&shards, file).expect("a file");
        let environment = vec![
            ("ERASURE_DATABASE", postgres.url()),
            ("BAEUM_SHARDS", shards.display().to_string()),
            ("NATS_URL", nats.urls()),
            ("BAEUM_KEY_FILE", key_file(folder.path())),
            ("BAEUM_SEAL_KEY_FILE", folder.path().join("seal-key.pem").display().to_string()),
            ("BAEUM_SEAL_INTERVAL_MS", "50".to_owned()),
            ("BAEUM_SEAL_WITNESS", folder.path().join("witness").display().to_string()),
            ("BAEUM_ADMIN_EMAIL", ADMIN.0.to_owned()),
            ("BAEUM_ADMIN_PASSWORD", ADMIN.1.to_owned()),
        ];
        let made = command(&[]).args(["audit", "key", "--new"]).arg(folder.path().join("seal-key.pem")).output();
        let made = made.expect("the binary runs");
        assert!(made.status.success());
        fs::write(folder.path().join("verifier"), made.stdout).expect("a file");
        let (server, base) = Process::start("serve", "127.0.0.1:0", &environment);
        Self { postgres, nats, folder, environment, server, base: base.expect("it serves") }
    }

    fn client(&self) -> Client {
        Client::new(&self.base)
    }

    async fn admin(&self) -> Client {
        self.client().sign_in(ADMIN.0, ADMIN.1).await.0
    }

    async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url()).await.expect("a connection")
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = command(&self.environment).args(arguments).output().expect("the binary runs");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    }

    fn dump(&self) -> Vec<u8> {
        let mut dump = self.postgres.command("pg_dump");
        let output = dump.args(["--dbname", &self.postgres.url()]).output().expect("pg_dump runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn account(email: &str, name: &str) -> Value {
    json!({
        "email": email, "password": PASSWORD, "display_name": name, "native_language": "ko", "country": "KR",
        "time_zone": "Asia/Seoul", "interests": ["travel", "food"],
    })
}

async fn register(client: &Client, key: &str, email: &str, name: &str) -> Answer {
    let request = client.request(Method::POST, "/v1/users").header("Idempotency-Key", key);
    support::send(request.json(&account(email, name))).await.expect("an answer")
}

/// Someone who registers and signs in; the client and their id.
async fn person(client: &Client, key: &str, email: &str, name: &str) -> (Client, String) {
    register(client, key, email, name).await.expect(201);
    client.sign_in(email, PASSWORD).await
}

/// A level test, a lesson with answers, its completion and all that follows; the ids of the lesson and of one that is
/// still open.
async fn live(person: &Client, id: &str) -> (String, String) {
    let consent = json!({ "emotion_care_consent": { "policy_version": "2026-01" } });
    person.patch(&format!("/v1/learners/{id}"), consent).await.expect(200);
    let mut sitting = person.post("/v1/assessments", json!({})).await.expect(201);
    let assessment = sitting["assessment_id"].as_str().expect("an id").to_owned();
    while let Some(item) = sitting["next_item"]["id"].as_str().map(ToOwned::to_owned) {
        let response = json!({ "item_id": item, "choice": 1, "response_ms": 9_000 });
        sitting = person.post(&format!("/v1/assessments/{assessment}/responses"), response).await.expect(200);
    }
    let lesson = study(person).await;
    eventually("a lesson leads to a recommendation", || async {
        let found = person.get(&format!("/v1/learners/{id}/recommendations")).await.expect(200);
        (found["lesson_id"] == lesson.as_str() && found["country"] == "KR").then_some(())
    })
    .await;
    let open = person.post("/v1/lessons", json!({})).await.expect(201);
    (lesson, open["lesson_id"].as_str().expect("an id").to_owned())
}

async fn study(person: &Client) -> String {
    let started = person.post("/v1/lessons", json!({})).await.expect(201);
    let lesson = started["lesson_id"].as_str().expect("an id").to_owned();
    for clip in started["plan"]["clips"].as_array().expect("clips") {
        let viewing = json!({ "clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"], "speed_percent": 100 });
        person.post(&format!("/v1/lessons/{lesson}/clips"), viewing).await.expect(200);
    }
    for task in started["plan"]["tasks"].as_array().expect("tasks") {
        let attempt =
            json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": TEXT, "duration_ms": 45_000 });
        let path = format!("/v1/lessons/{lesson}/attempts");
        person.insist(Method::POST, &path, &format!("{lesson}-{}", task["task_id"]), attempt).await.expect(201);
    }
    person.post(&format!("/v1/lessons/{lesson}/complete"), json!({})).await.expect(200);
    lesson
}

/// The files below a folder that hold one of these byte strings.
fn holding(folder: &Path, wanted: &[&[u8]]) -> Vec<PathBuf> {
    let (mut found, mut open) = (vec![], vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        if next.is_dir() {
            open.extend(fs::read_dir(&next).into_iter().flatten().flatten().map(|it| it.path()));
        } else if let Ok(bytes) = fs::read(&next)
            && wanted.iter().any(|it| contains(&bytes, it))
        {
            found.push(next);
        }
    }
    found
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|it| it == wanted)
}

fn markers() -> Vec<&'static [u8]> {
    MARKERS.iter().map(|it| it.as_bytes()).collect()
}

/// The tables that have a row with one of these texts.
async fn tables_with(database: &mut PgConnection, texts: &[String]) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
         ORDER BY table_schema, table_name",
    )
    .fetch_all(&mut *database)
    .await
    .expect("tables");
    let mut found = vec![];
    for table in tables {
        let sql = format!("SELECT EXISTS (SELECT FROM {table} t WHERE to_jsonb(t)::text LIKE ANY ($1))");
        let patterns: Vec<String> = texts.iter().map(|it| format!("%{it}%")).collect();
        if sqlx::query_scalar(&sql).bind(patterns).fetch_one(&mut *database).await.expect("asked") {
            found.push(table);
        }
    }
    found
}

async fn finished(admin: &Client, id: &str) {
    eventually("the person is forgotten", || async {
        let told = admin.get(&format!("/v1/learners/{id}/erasure")).await.expect(200);
        (told["state"] == "finished").then_some(())
    })
    .await;
}

/// The notifications of a person, once there are those of the level, of the lesson and of the day after.
async fn told(world: &World, learner: &str) -> Vec<String> {
    let pool = PgPool::connect(&world.postgres.url()).await.expect("a connection");
    eventually("the person is told of level, lesson and the day after", || async {
        let sql = "SELECT notification_id::text FROM notifications WHERE learner_id = $1::uuid";
        let found: Vec<String> = sqlx::query_scalar(sql).bind(learner).fetch_all(&pool).await.expect("asked");
        (found.len() >= 3).then_some(found)
    })
    .await
}

/// An event in a stream of theirs that this build cannot read: what follows it is parked.
async fn poison(database: &mut PgConnection, lesson: &str, learner: &str) {
    let poisoned = sqlx::query(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
         SELECT 'lesson', $1, 2, 'ShortClipConsumed', '99',
                json_build_object('ShortClipConsumed', json_build_object('learner_id', $2)), '{}', position,
                gen_random_uuid(), 'main', $2, gen_random_uuid(), gen_random_uuid(), now()
         FROM head",
    );
    poisoned.bind(lesson).bind(learner).execute(&mut *database).await.expect("an event from the future");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_forgotten_everywhere_and_everybody_else_is_not() {
    let mut world = World::start().await;
    let (client, admin) = (world.client(), world.admin().await);
    let (mina, id) = person(&client, "register-mina", EMAIL, NAME).await;
    // Somebody else of another school, who is called the same and has the same address.
    let busan = client.of_tenant("busan");
    let (twin, twin_id) = person(&busan, "register-twin", EMAIL, NAME).await;
    let (lesson, open) = live(&mina, &id).await;
    let (twins_lesson, _) = live(&twin, &twin_id).await;
    // Enough for a snapshot.
    for minutes in 0..105 {
        let goal = json!({ "daily_goal_minutes": 20 + minutes % 2 });
        mina.patch(&format!("/v1/learners/{id}"), goal).await.expect(200);
    }
    let mut database = world.database().await;
    poison(&mut database, &open, &id).await;
    eventually("the stream is parked", || async {
        let parked = admin.get("/v1/projections/lessons/parked").await.expect(200);
        parked["parked"].as_array().is_some_and(|it| it.len() == 1).then_some(())
    })
    .await;
    let notifications = told(&world, &id).await;
    let before = tables_with(&mut database, std::slice::from_ref(&id)).await;
    for table in [
        "aggregate_snapshots",
        "command_receipts",
        "process_instances",
        "parked_streams",
        "learners",
        "emotion",
        "notifications",
        "notification_deliveries",
    ] {
        assert!(before.contains(&format!("public.{table}")), "{table} has nothing of the person: {before:?}");
    }

    let waiting = tables_with(&mut database, &notifications).await;
    assert!(waiting.contains(&"public.notification_timers".to_owned()), "no reminder waits: {waiting:?}");

    everything_is_shown_before(&world, &mina, &admin, &id).await;
    // Statistics quote values.
    sqlx::query("ANALYZE").execute(&mut database).await.expect("analysed");
    // In clear it never stood anywhere: not in a table, an index, the write-ahead log or a stream.
    sqlx::query("CHECKPOINT").execute(&mut database).await.expect("written");
    let stores = [world.postgres.folder(), world.nats.folder()];
    for store in stores {
        assert_ne!(holding(store, &[lesson.as_bytes()]), Vec::<PathBuf>::new(), "nothing is found in {store:?}");
        assert_eq!(holding(store, &markers()), Vec::<PathBuf>::new());
    }
    let base = world.postgres.folder().join("data/base");
    let wrapped: Vec<u8> = sqlx::query_scalar("SELECT wrapped FROM subject_keys WHERE subject_id = $1::uuid")
        .bind(&id)
        .fetch_one(&mut database)
        .await
        .expect("a wrapped key");
    assert_ne!(holding(&base, &[&wrapped]), Vec::<PathBuf>::new());

    let path = format!("/v1/learners/{id}/erasure");
    refusals(&client, &mina, &path).await;
    let asked = mina.post(&path, json!({ "ground": "consent_withdrawn", "password": PASSWORD })).await.expect(200);
    assert!(asked["state"] == "requested" || asked["state"] == "erased", "{asked:#}");
    finished(&admin, &id).await;

    // Nobody is reached any more.
    assert_eq!(mina.get(&format!("/v1/learners/{id}")).await.problem(401), "account-erased");
    let sign_in = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(client.post("/v1/auth/token", sign_in).await.problem(401), "wrong-credentials");
    for part in ["", "/progress", "/vector", "/recommendations", "/personal-data", "/progress?as_of=60", "?as_of=60"] {
        let told = admin.get(&format!("/v1/learners/{id}{part}")).await;
        assert_eq!(told.problem(410), "subject-erased", "{part}");
    }
    let (shown, told) = world.run(&["query", "progress", "--learner", &id, "--as-of", "60"]);
    assert!(!shown && told.contains("error: "), "{told}");
    assert_eq!(admin.get(&format!("/v1/lessons/{lesson}")).await.problem(404), "lesson-not-found");
    let grant = support::send(admin.request(Method::PUT, &format!("/v1/users/{id}/roles/analyst"))).await;
    assert_eq!(grant.expect("an answer").problem(410), "subject-erased");
    let (done, told) = world.run(&["subject", "export", &id, "no-such-folder"]);
    assert!(!done && told.contains("was erased"), "{told}");

    let mut theirs = vec![id.clone(), lesson.clone(), open.clone()];
    theirs.extend(notifications);
    let allowed = ["public.accesses", "public.command_receipts", "public.events", "public.subject_keys"];
    nothing_is_left(&world, &mut database, &theirs, &allowed).await;
    let receipts: Vec<String> = sqlx::query_scalar("SELECT aggregate_type FROM command_receipts WHERE actor = $1")
        .bind(&id)
        .fetch_all(&mut database)
        .await
        .expect("asked");
    assert!(receipts.iter().all(|it| it == "erasure"), "{receipts:?}");
    sqlx::query("CHECKPOINT").execute(&mut database).await.expect("written");
    assert_eq!(holding(&base, &[&wrapped]), Vec::<PathBuf>::new(), "the key is left in a file");

    // Nothing of it comes back.
    let (rebuilt, told) = world.run(&["replay", "all"]);
    assert!(rebuilt, "{told}");
    let (verified, told) = world.run(&["replay", "all", "--verify"]);
    assert!(verified, "{told}");
    nothing_is_left(&world, &mut database, &theirs, &allowed).await;
    every_proof_stays_valid(&world, &id).await;
    the_platform_goes_on(&client, &twin, &twin_id, &twins_lesson, &id).await;
    world.server.stop();
}

/// What was sealed while the person was there is proven after they are forgotten, and shows nothing of them.
async fn every_proof_stays_valid(world: &World, id: &str) {
    let path = |name: &str| world.folder.path().join(name).display().to_string();
    let log = world.folder.path().join("log");
    eventually("all of it is sealed", || async {
        let (exported, told) = world.run(&["audit", "export", &path("log")]);
        assert!(exported, "{told}");
        let arguments = ["audit", "verify", &path("log"), "--key", &path("verifier"), "--witness", &path("witness")];
        let (honest, told) = world.run(&arguments);
        assert!(honest, "{told}");
        assert!(told.contains("from witnesses"), "{told}");
        if told.contains(", 0 after the latest checkpoint") {
            return Some(());
        }
        fs::remove_dir_all(&log).expect("taken away");
        None
    })
    .await;
    assert!(!holding(&log, &[id.as_bytes()]).is_empty(), "their events are there");
    assert_eq!(holding(&log, &markers()), Vec::<PathBuf>::new());
    let (exported, told) = world.run(&["export", "--format", "jsonl", &path("export")]);
    assert!(exported, "{told}");
    assert_eq!(holding(&world.folder.path().join("export"), &markers()), Vec::<PathBuf>::new());
}

async fn refusals(client: &Client, mina: &Client, path: &str) {
    let (other, _) = person(client, "register-jun", "jun@example.org", "Jun").await;
    let wish = |password: Value| json!({ "ground": "consent_withdrawn", "password": password });
    assert_eq!(other.post(path, wish(json!(PASSWORD))).await.problem(403), "not-yours");
    assert_eq!(mina.post(path, json!({ "ground": "objection" })).await.problem(422), "password-missing");
    assert_eq!(mina.post(path, wish(json!("a wrong password"))).await.problem(403), "wrong-password");
    let long = json!({ "ground": "objection", "grace_days": 31, "password": PASSWORD });
    assert_eq!(mina.post(path, long).await.problem(422), "grace-out-of-range");
    // Within its grace it can be taken back.
    let late = json!({ "ground": "objection", "grace_days": 7, "password": PASSWORD });
    assert_eq!(mina.post(path, late).await.expect(200)["state"], "requested");
    let withdrawn = support::send(mina.request(Method::DELETE, path)).await.expect("an answer").expect(200);
    assert_eq!(withdrawn["state"], "withdrawn");
}

/// What there is about somebody can be taken away by them, and that somebody else does is noted.
async fn everything_is_shown_before(world: &World, mina: &Client, admin: &Client, id: &str) {
    let all = mina.get(&format!("/v1/learners/{id}/personal-data")).await.expect(200);
    assert_eq!((&all["identity"]["email"], &all["identity"]["display_name"]), (&json!(EMAIL), &json!(NAME)));
    let texts = all["events"].to_string();
    assert!(texts.contains("zebrafinch") && texts.contains("얼룩말표식"), "their texts are opened");
    for table in [
        "learners",
        "lessons",
        "lesson_attempts",
        "progress",
        "emotion",
        "recommendations",
        "assessments",
        "notifications",
        "learner_vectors",
    ] {
        let rows = all["read_models"][table].as_array().expect("a list");
        assert!(!rows.is_empty(), "{table}");
    }
    let folder = world.folder.path().join("export");
    let (done, told) = world.run(&["subject", "export", id, folder.to_str().expect("UTF-8")]);
    assert!(done, "{told}");
    let written = holding(&folder, &markers());
    for file in ["profile.json", "events.jsonl", "lesson_attempts.json"] {
        assert!(written.iter().any(|it| it.ends_with(file)), "{file} is not readable: {written:?}");
    }
    assert!(folder.join("README.txt").exists());
    fs::remove_dir_all(&folder).expect("taken away");
    let shown = admin.get(&format!("/v1/learners/{id}")).await.expect(200);
    assert_eq!(shown["email"], EMAIL);
    let accesses = eventually("accesses are noted", || async {
        let told = admin.get(&format!("/v1/log/accesses?subject={id}")).await.expect(200);
        let found = told["accesses"].as_array().cloned().unwrap_or_default();
        (found.len() == 2).then_some(found)
    })
    .await;
    let of = |index: usize| (accesses[index]["route"].as_str(), accesses[index]["what"].clone());
    assert_eq!(of(0), (Some("baeum subject export"), json!(["everything"])));
    assert_eq!(of(1), (Some("GET /v1/learners/{id}"), json!(["name", "email"])));
    assert_eq!(mina.get("/v1/log/accesses").await.problem(403), "role-missing");
}

async fn nothing_is_left(world: &World, database: &mut PgConnection, ids: &[String], allowed: &[&str]) {
    let found = tables_with(database, ids).await;
    let wrong: Vec<_> = found.iter().filter(|it| !allowed.contains(&it.as_str())).collect();
    assert!(wrong.is_empty(), "rows are left in {wrong:?}");
    let dump = world.dump();
    for marker in markers() {
        assert!(!contains(&dump, marker), "{} stands in the dump", String::from_utf8_lossy(marker));
    }
    for store in [world.postgres.folder(), world.nats.folder()] {
        assert_eq!(holding(store, &markers()), Vec::<PathBuf>::new());
    }
}

async fn the_platform_goes_on(client: &Client, twin: &Client, twin_id: &str, lesson: &str, id: &str) {
    // Their twin of another tenant has lost nothing.
    let profile = twin.get(&format!("/v1/learners/{twin_id}")).await.expect(200);
    assert_eq!((&profile["email"], &profile["display_name"]), (&json!(EMAIL), &json!(NAME)));
    let read = twin.get(&format!("/v1/lessons/{lesson}")).await.expect(200);
    assert!(read["attempts"].as_array().expect("attempts").iter().all(|it| it["answer"] == TEXT), "{read:#}");
    // What was learned about items from both stays.
    let parameters = twin.get("/v1/items/parameters").await;
    if parameters.status == 200 {
        let items = parameters.body["items"].as_array().cloned().unwrap_or_default();
        assert!(items.iter().any(|it| it["responses"].as_i64() > Some(1)), "{:#}", parameters.body);
    }
    // The address is free, for a new person; the request of the old one does not bring them back.
    assert_eq!(register(client, "register-mina", EMAIL, NAME).await.problem(410), "subject-erased");
    let (_, anew) = person(client, "register-mina-anew", EMAIL, NAME).await;
    assert_ne!(anew, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasures_are_finished_however_often_their_process_is_killed() {
    let database = TestDatabase::create().await;
    let folder = TempDir::new().expect("a folder");
    let environment = vec![
        ("DATABASE_URL", database.url()),
        ("BAEUM_KEY_FILE", key_file(folder.path())),
        ("BAEUM_ADMIN_EMAIL", ADMIN.0.to_owned()),
        ("BAEUM_ADMIN_PASSWORD", ADMIN.1.to_owned()),
    ];
    let (mut server, base) = Process::start("serve", "127.0.0.1:0", &environment);
    let mut client = Client::new(&base.expect("it serves"));
    let mut people = vec![];
    for number in 0..6 {
        let email = format!("killed-{number}@example.org");
        let (one, id) = person(&client, &format!("register-{number}"), &email, "Mina").await;
        one.post("/v1/assessments", json!({})).await.expect(201);
        people.push((one, id));
    }
    // At whatever step it is when it is killed: the next one goes on.
    for (number, (one, id)) in people.iter().enumerate() {
        let one = client.with_token(one.token.as_deref().expect("a token"));
        let wish = json!({ "ground": "objection", "password": PASSWORD });
        one.post(&format!("/v1/learners/{id}/erasure"), wish).await.expect(200);
        let steps = number;
        wait_for_steps(&database.pool, id, steps.min(2)).await;
        server.kill();
        let (again, base) = Process::start("serve", "127.0.0.1:0", &environment);
        server = again;
        client = Client::new(&base.expect("it serves"));
    }
    let admin = client.sign_in(ADMIN.0, ADMIN.1).await.0;
    let mut connection = PgConnection::connect(&database.url()).await.expect("a connection");
    for (_, id) in &people {
        finished(&admin, id).await;
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM credentials WHERE user_id = $1::uuid)
                  + (SELECT count(*) FROM subject_keys WHERE subject_id = $1::uuid AND erased_at IS NULL)
                  + (SELECT count(*) FROM learners WHERE user_id = $1::uuid)
                  + (SELECT count(*) FROM assessments WHERE learner_id = $1::uuid)",
        )
        .bind(id)
        .fetch_one(&mut connection)
        .await
        .expect("counted");
        assert_eq!(left, 0, "{id}");
    }
    server.stop();
}

/// Waits until an erasure has come so far: 0 asked for, 1 erased, 2 finished.
async fn wait_for_steps(pool: &PgPool, id: &str, steps: usize) {
    eventually("the erasure gets on", || async {
        let events: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events WHERE aggregate_type = 'erasure' AND aggregate_id = $1")
                .bind(id)
                .fetch_one(pool)
                .await
                .expect("counted");
        (events > i64::try_from(steps).expect("few")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_file_a_server_does_not_start_and_says_what_to_do() {
    let database = TestDatabase::create().await;
    let folder = TempDir::new().expect("a folder");
    let start = |keys: Option<&Path>| {
        let mut environment = vec![("DATABASE_URL", database.url())];
        environment.extend(keys.map(|it| ("BAEUM_KEY_FILE", it.display().to_string())));
        let mut server: Command = command(&environment);
        let output =
            server.args(["api", "--listen", "127.0.0.1:0"]).env("NATS_URL", baeum_testing::nats_url()).output();
        let output = output.expect("the binary runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = start(None);
    assert!(told.contains("BAEUM_KEY_FILE") && told.contains("baeum keys create"), "{told}");
    let told = start(Some(&folder.path().join("nowhere.toml")));
    assert!(told.contains("there is no key file"), "{told}");
    // Another key file than the one that the database was made with.
    let environment = [("DATABASE_URL", database.url()), ("BAEUM_KEY_FILE", key_file(folder.path()))];
    let (mut server, _) = Process::start("serve", "127.0.0.1:0", &environment);
    server.stop();
    let other = folder.path().join("other.toml");
    let made = command(&[]).args(["keys", "create", "--key-file"]).arg(&other).status().expect("the binary runs");
    assert!(made.success());
    let told = start(Some(&other));
    assert!(told.contains("another key file"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_everything_goes_on() {
    let database = TestDatabase::create().await;
    let folder = TempDir::new().expect("a folder");
    let keys = key_file(folder.path());
    let environment = vec![("DATABASE_URL", database.url()), ("BAEUM_KEY_FILE", keys.clone())];
    let run = |arguments: &[&str]| {
        let output = command(&environment).args(arguments).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    };
    let (mut server, base) = Process::start("serve", "127.0.0.1:0", &environment);
    let client = Client::new(&base.expect("it serves"));
    let (mina, id) = person(&client, "register-mina", EMAIL, NAME).await;
    run(&["keys", "rotate"]);
    let told = run(&["keys", "rewrap"]);
    assert!(told.contains("1 keys were wrapped anew"), "{told}");
    assert!(told.contains("not needed by this database any more"), "{told}");
    // The server that runs finds the new key in the file.
    let profile = mina.get(&format!("/v1/learners/{id}")).await.expect(200);
    assert_eq!(profile["display_name"], NAME);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_forgotten_in_the_embedded_database_too() {
    let mut platform = Platform::embedded();
    let (mina, id) = person(&platform.client(), "register-mina", EMAIL, NAME).await;
    live(&mina, &id).await;
    let wish = json!({ "ground": "objection", "password": PASSWORD });
    mina.post(&format!("/v1/learners/{id}/erasure"), wish).await.expect(200);
    finished(&platform.admin().await, &id).await;
    platform.stop();
    assert_eq!(holding(platform.data(), &markers()), Vec::<PathBuf>::new());
    platform.run(&["replay", "all"]);
    platform.run(&["replay", "all", "--verify"]);
    platform.start_again();
    let admin = platform.admin().await;
    assert_eq!(admin.get(&format!("/v1/learners/{id}")).await.problem(410), "subject-erased");
    platform.stop();
}
