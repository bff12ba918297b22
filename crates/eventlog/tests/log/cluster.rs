//! Three JetStream servers that keep the stream together; each may be lost.

use std::time::Instant;

use baeum_eventlog::{nats::Broker, relay};
use baeum_testing::{NatsCluster, TestDatabase, eventually, stream_name};
use tokio_util::sync::CancellationToken;

use crate::{
    stream::{holds_the_log, jetstream_at},
    support::{open, registered_many},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_goes_on_when_the_leader_of_a_replicated_stream_is_killed() {
    let mut cluster = NatsCluster::start(3).await;
    let (database, name) = (TestDatabase::create().await, stream_name());
    let urls = cluster.urls();
    let broker = eventually("the cluster has a leader", || async {
        Broker::connect_replicated(&urls, &name, Some(3)).await.ok()
    })
    .await;
    let log = open(&database, Some(broker.clone())).await;
    let stop = CancellationToken::new();
    let relaying = tokio::spawn(relay::run(log.clone(), broker, stop.clone()));
    let relayed = async || -> i64 {
        let stored = sqlx::query_scalar("SELECT position FROM relay_positions").fetch_optional(&database.pool).await;
        stored.expect("asked").unwrap_or(0)
    };
    registered_many(&log, 300).await;
    let appending = tokio::spawn({
        let log = log.clone();
        async move { registered_many(&log, 700).await }
    });
    let nats = jetstream_at(&urls).await;
    let leader = eventually("the stream has a leader", || async {
        let stream = nats.get_stream(&name).await.ok()?;
        assert_eq!(stream.cached_info().config.num_replicas, 3);
        stream.cached_info().cluster.clone()?.leader
    })
    .await;
    let node = cluster.node(&leader);
    cluster.kill(node);
    let killed = Instant::now();
    appending.await.expect("commands need no broker");
    let head = log.head().await.expect("a head");
    eventually("the relay goes on with two servers", || async { (relayed().await == head).then_some(()) }).await;
    eprintln!("the relay was well again {:?} after the leader {leader} was killed", killed.elapsed());
    let two: Vec<_> = (0..3).filter(|it| *it != node).map(|it| cluster.url(it)).collect();
    let nats = jetstream_at(&two.join(",")).await;
    let stream = eventually("the stream answers", || async { nats.get_stream(&name).await.ok() }).await;
    holds_the_log(&stream, head).await;
    stop.cancel();
    relaying.await.expect("the relay ends");
}
