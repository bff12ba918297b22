//! Two shards on two Postgres servers: each tenant's log in its own, and one server's end is the other's business as usual.

mod support;

use baeum_domain::position::{Shard, number};
use baeum_testing::{PostgresServer, TestDatabase, nats_url, stream_name};
use reqwest::Method;
use serde_json::{Value, json};
use support::{ADMIN, Client, Platform, Process, account, all_events, eventually, send};

const TENANTS: [&str; 2] = ["main", "busan"];

/// Two servers with a database and a stream each.
struct Two {
    databases: [TestDatabase; 2],
    servers: [PostgresServer; 2],
    streams: [String; 2],
}

impl Two {
    async fn start() -> Self {
        let servers = [PostgresServer::start().await, PostgresServer::start().await];
        let databases =
            [TestDatabase::create_on(&servers[0].url(), 2).await, TestDatabase::create_on(&servers[1].url(), 2).await];
        Self { databases, servers, streams: [stream_name(), stream_name()] }
    }

    fn platform(&self, one_process: bool) -> Platform {
        let shard = |number: usize| {
            let (stream, tenant) = (&self.streams[number], TENANTS[number]);
            format!(
                "[[shard]]\nnumber = {number}\ndatabase_url = \"${{SHARD{number}_URL}}\"\nstream = \"{stream}\"\n\
                 tenants = [\"{tenant}\"]\n\n"
            )
        };
        let [one, other] = &self.databases;
        let environment = vec![("SHARD0_URL", one.url()), ("SHARD1_URL", other.url())];
        Platform::sharded(&(shard(0) + &shard(1)), environment, one_process)
    }

    async fn remove_streams(&self) {
        let nats = async_nats::connect(nats_url()).await.expect("NATS answers");
        for stream in &self.streams {
            async_nats::jetstream::new(nats.clone()).delete_stream(stream).await.expect("removed");
        }
    }
}

/// Tests and lessons of one learner, with a key for each command; the position of the last.
async fn learn(learner: &Client, name: &str) -> i64 {
    let mut count = 0;
    let mut command = async |path: String, body: Value| {
        count += 1;
        let answer = learner.insist(Method::POST, &path, &format!("{name}-{count}"), body).await;
        assert!(answer.status.is_success(), "{path}: {:#}", answer.body);
        answer.body
    };
    let mut sitting = command("/v1/assessments".into(), json!({})).await;
    let assessment = sitting["assessment_id"].as_str().expect("an id").to_owned();
    while let Some(item) = sitting["next_item"]["id"].as_str() {
        let response = json!({ "item_id": item, "choice": 1, "response_ms": 5_000 });
        sitting = command(format!("/v1/assessments/{assessment}/responses"), response).await;
    }
    let lesson = command("/v1/lessons".into(), json!({})).await;
    let path = format!("/v1/lessons/{}", lesson["lesson_id"].as_str().expect("an id"));
    for clip in lesson["plan"]["clips"].as_array().expect("clips") {
        let viewing = json!({ "clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"] });
        command(format!("{path}/clips"), viewing).await;
    }
    for task in lesson["plan"]["tasks"].as_array().expect("tasks") {
        let words = ["I think that this is a good answer."; 8].join(" ");
        command(
            format!("{path}/attempts"),
            json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": words }),
        )
        .await;
    }
    command(format!("{path}/complete"), json!({})).await["position"].as_i64().expect("a position")
}

/// Waits until everything that follows from a lesson has happened, and the read models tell it.
async fn settle(admin: &Client, lessons: usize) {
    eventually("every lesson has led to where to watch", || async {
        let found = admin.get("/v1/events?type=OttContentSuggested").await.expect(200);
        (found["events"].as_array()?.len() == lessons).then_some(())
    })
    .await;
    eventually("every read model is at the head", || async {
        let status = admin.get("/v1/projections").await.expect(200);
        status["projections"].as_array()?.iter().all(|it| it["state"] == "live" && it["lag"] == 0).then_some(())
    })
    .await;
}

/// Expects that the log of a tenant is dense within its shard, and nobody else's.
async fn check_log(admin: &Client, shard: i64, tenant: &str) {
    let shard = Shard::new(shard).expect("a shard");
    let events = all_events(admin).await;
    assert!(events.len() > 20, "{} events", events.len());
    for (event, expected) in events.iter().zip(1..) {
        let position = event["position"].as_i64().expect("a position");
        assert_eq!((Shard::of(position), number(position)), (Some(shard), expected), "{event:#}");
        assert_eq!(event["tenant"], tenant, "{event:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_learn_on_two_servers_and_their_logs_do_not_mix() {
    let two = Two::start().await;
    let mut platform = two.platform(false);
    let clients = TENANTS.map(|tenant| platform.client().of_tenant(tenant));
    // The same address in both: two people.
    let (mina, jun) = tokio::join!(clients[0].learner("mina"), clients[1].learner("mina"));
    assert_ne!(mina.1, jun.1);
    let (in_one, in_other) = tokio::join!(learn(&mina.0, "mina"), learn(&jun.0, "mina"));
    assert_eq!((Shard::of(in_one).map(Shard::number), Shard::of(in_other).map(Shard::number)), (Some(0), Some(1)));

    for (number, (learner, id)) in (0..).zip([&mina, &jun]) {
        let tenant = TENANTS[usize::try_from(number).expect("small")];
        let admin = platform.client().of_tenant(tenant).sign_in(ADMIN.0, ADMIN.1).await.0;
        settle(&admin, 1).await;
        check_log(&admin, number, tenant).await;
        let progress = learner.get(&format!("/v1/learners/{id}/progress")).await.expect(200);
        assert_eq!(progress["lessons_completed"], 1);
        let stranger = if number == 0 { &jun } else { &mina };
        assert_eq!(admin.get(&format!("/v1/learners/{}", stranger.1)).await.problem(404), "user-not-found");
        let foreign = if number == 0 { in_other } else { in_one };
        let path = format!("/v1/learners/{id}?min_position={foreign}");
        assert_eq!(learner.get(&path).await.problem(422), "position-of-another-shard");
    }
    let nobody = platform.client().of_tenant("nowhere").post("/v1/users", account("x@example.org")).await;
    assert_eq!(nobody.problem(404), "unknown-tenant");

    let both = platform.run(&["replay", "all", "--verify"]);
    let one = platform.run(&["replay", "all", "--verify", "--shard", "1"]);
    assert!(both.contains("shard 0:") && both.contains("shard 1:"), "{both}");
    assert!(!one.contains("shard 0:") && one.lines().count() >= 7, "{one}");
    assert!(both.ends_with(&one), "{both}\nbut alone: {one}");
    let rebuilt = platform.run(&["replay", "progress", "--shard", "1"]);
    assert!(rebuilt.starts_with("progress: rebuilt"), "{rebuilt}");
    let progress = jun.0.get(&format!("/v1/learners/{}/progress", jun.1)).await.expect(200);
    assert_eq!(progress["lessons_completed"], 1, "as before it was rebuilt");

    // A process for one of the shards knows the tenants of that one only.
    let mut environment = platform.environment.clone();
    environment.push(("BAEUM_SHARD", "1".to_owned()));
    let (mut process, url) = Process::start("api", "127.0.0.1:0", &environment);
    let api = Client::new(&url.expect("it answers HTTP"));
    assert_eq!(api.of_tenant("main").post("/v1/auth/token", json!({})).await.problem(404), "unknown-tenant");
    let (again, id) = api.sign_in("mina@example.org", support::PASSWORD).await;
    assert_eq!(id, jun.1, "its first tenant");
    assert_eq!(
        again.with_token(mina.0.token.as_ref().expect("a token")).get("/v1/clips").await.problem(401),
        "token-invalid"
    );
    process.stop();
    platform.stop();
    two.remove_streams().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_one_server_leaves_the_tenants_of_the_other_alone() {
    let mut two = Two::start().await;
    let mut platform = two.platform(true);
    let clients = TENANTS.map(|tenant| platform.client().of_tenant(tenant));
    let jun = clients[1].learner("jun").await.0;
    two.servers[1].crash();

    let mina = clients[0].learner("mina").await.0;
    let register = jun.request(Method::POST, "/v1/assessments").header("Idempotency-Key", "jun-1").json(&json!({}));
    let refused = send(register).await.expect("an answer");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    refused.problem(503);
    learn(&mina, "mina").await;
    let admin = clients[0].sign_in(ADMIN.0, ADMIN.1).await.0;
    settle(&admin, 1).await;
    let ready = platform.client().get("/health/ready").await.expect(200);
    assert_eq!(ready["status"], "degraded", "{ready:#}");
    let failing: Vec<_> = ready["checks"].as_array().expect("checks").iter().filter(|it| it["ok"] == false).collect();
    assert!(failing.iter().any(|it| it["name"] == "shard:1:database"), "{ready:#}");
    assert!(failing.iter().all(|it| it["name"].as_str().is_some_and(|it| it.starts_with("shard:1:"))), "{ready:#}");

    two.servers[1].start_again().await;
    // With the key of the command that was refused: it is done once.
    learn(&jun, "jun").await;
    let other = clients[1].sign_in(ADMIN.0, ADMIN.1).await.0;
    settle(&other, 1).await;
    let started = other.get("/v1/events?type=AssessmentStarted").await.expect(200);
    assert_eq!(started["events"].as_array().map(Vec::len), Some(1), "{started:#}");
    for (number, admin) in (0..).zip([&admin, &other]) {
        check_log(admin, number, TENANTS[usize::try_from(number).expect("small")]).await;
    }
    platform.run(&["replay", "all", "--verify"]);
    platform.stop();
    two.remove_streams().await;
}
