//! A database or a broker goes away and comes back: commands are refused clearly, then done; nothing is lost.

mod support;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use support::{Platform, all_events, eventually, send};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A line to a server that can be cut.
struct Line {
    server: SocketAddr,
    pub address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Line {
    async fn to(server: &str) -> Self {
        let server = tokio::net::lookup_host(server).await.expect("a host").next().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut line = Self { server, address, accepting: None, open: Arc::default() };
        line.accept(listener);
        line
    }

    fn accept(&mut self, listener: TcpListener) {
        let (server, open) = (self.server, self.open.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let carrying = tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                open.lock().unwrap_or_else(PoisonError::into_inner).push(carrying);
            }
        }));
    }

    /// Cuts every connection and takes no new ones.
    async fn cut(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        let open: Vec<_> = self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for carrying in open {
            carrying.abort();
            let _ = carrying.await;
        }
    }

    /// Takes connections again, at the same address.
    async fn mend(&mut self) {
        let listener =
            eventually("the port is free again", || async { TcpListener::bind(self.address).await.ok() }).await;
        self.accept(listener);
    }
}

/// The same URL with another host and port.
fn reroute(url: &str, address: SocketAddr) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(it, path)| (it, format!("/{path}")));
    let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
    format!("{scheme}://{user}{address}{path}")
}

/// The host and port that a URL names, with the usual port where it names none.
fn server_of(url: &str, port: u16) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back_costs_nothing_but_time() {
    let database = baeum_testing::TestDatabase::create().await;
    let mut line = Line::to(&server_of(&database.url(), 5432)).await;
    let address = line.address;
    let url = reroute(&database.url(), address);
    let mut platform = Platform::on(database, &url, None);
    let (learner, id) = platform.client().learner("mina").await;
    line.cut().await;
    let path = format!("/v1/learners/{id}");
    let refused = learner.patch(&path, json!({ "daily_goal_minutes": 25 })).await;
    assert!(refused.headers.contains_key("retry-after"), "{:#}", refused.body);
    assert!(["log-unavailable", "database-unavailable"].contains(&refused.problem(503).as_str()));
    let query = learner.get(&format!("{path}/progress")).await;
    query.problem(503);
    learner.get("/health/live").await.expect(200);
    assert_eq!(learner.get("/health/ready").await.status, 503);
    line.mend().await;
    let changed = learner.insist(Method::PATCH, &path, "goal", json!({ "daily_goal_minutes": 25 })).await;
    changed.expect(200);
    eventually("the read models go on", || async {
        let profile = learner.get(&path).await;
        (profile.status == 200 && profile.body["daily_goal_minutes"] == 25).then_some(())
    })
    .await;
    eventually("the server is ready again", || async {
        (learner.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    platform.verify_read_models();
    platform.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_loses_no_event() {
    let mut line = Line::to(&server_of(&baeum_testing::nats_url(), 4222)).await;
    let address = line.address;
    let url = reroute(&baeum_testing::nats_url(), address);
    let database = baeum_testing::TestDatabase::create().await;
    let direct = database.url();
    let mut platform = Platform::on(database, &direct, Some(&url));
    let (learner, id) = platform.client().learner("mina").await;
    let path = format!("/v1/learners/{id}");
    line.cut().await;
    // Commands need no broker; read models go on from the log.
    for minutes in 30..40 {
        learner.patch(&path, json!({ "daily_goal_minutes": minutes })).await.expect(200);
    }
    eventually("the read model goes on without the broker", || async {
        let profile = learner.get(&path).await;
        (profile.status == 200 && profile.body["daily_goal_minutes"] == 39).then_some(())
    })
    .await;
    eventually("the outage shows", || async { (learner.get("/health/ready").await.status == 503).then_some(()) }).await;
    line.mend().await;
    eventually("the outage is over", || async { (learner.get("/health/ready").await.status == 200).then_some(()) })
        .await;
    learner.patch(&path, json!({ "daily_goal_minutes": 50 })).await.expect(200);
    let admin = platform.admin().await;
    let head = i64::try_from(all_events(&admin).await.len()).expect("few");
    let pool = platform.database.as_ref().expect("a database").pool.clone();
    eventually("the relay has carried every event", || async {
        let relayed: Option<i64> =
            sqlx::query_scalar("SELECT position FROM relay_positions").fetch_optional(&pool).await.ok()?;
        (relayed? == head).then_some(())
    })
    .await;
    assert_eq!(platform.messages().await, u64::try_from(head).expect("few"), "the stream has every event once");
    platform.verify_read_models();
    platform.stop();
    platform.remove_stream().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_under_load_lose_and_double_no_command() {
    let database = baeum_testing::TestDatabase::create().await;
    let mut line = Line::to(&server_of(&database.url(), 5432)).await;
    let address = line.address;
    let url = reroute(&database.url(), address);
    let mut platform = Platform::on(database, &url, None);
    let (learner, _) = platform.client().learner("mina").await;
    let work = {
        let learner = learner.clone();
        tokio::spawn(async move {
            let mut answered = vec![];
            for n in 0..60 {
                let key = format!("test-{n}");
                let answer = learner.insist(Method::POST, "/v1/assessments", &key, json!({})).await.expect(201);
                answered.push(answer["assessment_id"].as_str().expect("an id").to_owned());
            }
            answered
        })
    };
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        line.cut().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        line.mend().await;
    }
    let answered = work.await.expect("every command was answered");
    let admin = platform.admin().await;
    let events = all_events(&admin).await;
    let mut started: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "AssessmentStarted")
        .filter_map(|event| event["data"]["assessment_id"].as_str())
        .collect();
    assert_eq!(started.len(), 60, "each command took place once");
    started.sort_unstable();
    let mut answered: Vec<&str> = answered.iter().map(String::as_str).collect();
    answered.sort_unstable();
    assert_eq!(started, answered);
    let stored =
        send(learner.request(Method::POST, "/v1/assessments").header("Idempotency-Key", "test-0").json(&json!({})));
    assert_eq!(stored.await.expect("an answer").headers["idempotency-replayed"], "true");
    platform.stop();
}
