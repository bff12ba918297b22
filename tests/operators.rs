//! What operators see of processes: health and metrics of roles without HTTP, and a relay that is gone.

mod support;

use baeum_testing::{TestDatabase, free_port, nats_url, stream_name};
use support::{Client, Process, eventually};

/// The value of a metric that is told once, where it is told.
async fn metric(client: &Client, name: &str) -> Option<f64> {
    let text = client.get("/metrics").await.expect(200);
    let line = text.as_str()?.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.split(' ').next_back()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_tells_its_health_and_a_dead_one_shows_in_the_metrics_of_others() {
    let (database, stream) = (TestDatabase::create().await, stream_name());
    let folder = tempfile::TempDir::new().expect("a folder");
    let environment = vec![
        ("DATABASE_URL", database.url()),
        ("NATS_URL", nats_url()),
        ("BAEUM_KEY_FILE", support::key_file(folder.path())),
        ("BAEUM_STREAM", stream.clone()),
        ("BAEUM_STREAM_REPLICAS", "1".to_owned()),
    ];
    let (mut api, url) = Process::start("api", "127.0.0.1:0", &environment);
    let api_client = Client::new(&url.expect("it serves"));
    let operators = format!("127.0.0.1:{}", free_port());
    let mut of_relay = environment.clone();
    of_relay.push(("BAEUM_METRICS_LISTEN", operators.clone()));
    let (mut relay, _) = Process::start("relay", "127.0.0.1:0", &of_relay);
    let relay_client = Client::new(&format!("http://{operators}"));
    eventually("the relay is ready", || async {
        let answer = support::send(relay_client.request(reqwest::Method::GET, "/health/ready")).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    relay_client.get("/health/live").await.expect(200);
    assert_eq!(relay_client.get("/v1/projections").await.problem(404), "no-such-route");
    api_client.learner("mina").await;
    eventually("the relay tells that it relayed", || async {
        let relayed = metric(&relay_client, "baeum_relay_events_total").await?;
        let lag = metric(&relay_client, "baeum_relay_lag_events").await?;
        (relayed > 0.0 && lag < 1.0).then_some(())
    })
    .await;
    relay.kill();
    api_client.learner("jun").await;
    let waited = async || metric(&api_client, "baeum_relay_oldest_waiting_seconds").await.unwrap_or(0.0);
    let first = eventually("the lag shows elsewhere", || async {
        let behind = metric(&api_client, "baeum_relay_lag_events").await? > 0.0;
        let waited = waited().await;
        (behind && waited > 0.0).then_some(waited)
    })
    .await;
    eventually("it rises though nothing happens", || async { (waited().await > first).then_some(()) }).await;
    let (mut relay, _) = Process::start("relay", "127.0.0.1:0", &of_relay);
    eventually("another relay makes it good", || async {
        (metric(&api_client, "baeum_relay_lag_events").await? < 1.0 && waited().await <= 0.0).then_some(())
    })
    .await;
    relay.stop();
    api.stop();
    let nats = async_nats::connect(nats_url()).await.expect("NATS answers");
    async_nats::jetstream::new(nats).delete_stream(&stream).await.expect("removed");
}
