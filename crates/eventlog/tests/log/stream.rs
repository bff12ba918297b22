//! Looking into the stream of the broker, past the relay.

use async_nats::jetstream::{self, consumer::pull, stream::Stream};
use baeum_domain::Recorded;
use baeum_testing::{eventually, nats_url};
use futures::StreamExt as _;
use serde_json::Value;

pub(crate) async fn jetstream_at(url: &str) -> jetstream::Context {
    let servers: Vec<async_nats::ServerAddr> = url.split(',').map(|it| it.parse().expect("a URL")).collect();
    jetstream::new(async_nats::connect(servers).await.expect("NATS answers"))
}

pub(crate) async fn jetstream() -> jetstream::Context {
    jetstream_at(&nats_url()).await
}

pub(crate) async fn messages(stream: &str) -> u64 {
    let stream = jetstream().await.get_stream(stream).await.expect("the stream exists");
    stream.get_info().await.expect("known").state.messages
}

pub(crate) async fn remove(stream: &str) {
    jetstream().await.delete_stream(stream).await.expect("removed");
}

/// The positions that the stream holds, in its order, read whole.
pub(crate) async fn positions(stream: &Stream) -> Vec<i64> {
    let count = stream.get_info().await.expect("known").state.messages;
    // A cluster may place it on the server that is away; another try finds another.
    let config = pull::OrderedConfig::default();
    let consumer = eventually("a consumer", || async { stream.create_consumer(config.clone()).await.ok() }).await;
    let messages = consumer.messages().await.expect("messages");
    let read = messages.take(usize::try_from(count).expect("few")).filter_map(|message| async {
        let event = serde_json::from_slice::<Recorded<Value>>(&message.expect("a message").payload);
        event.ok().map(|event| event.position)
    });
    read.collect().await
}

/// Each position from the first to `head` once and in order.
pub(crate) async fn holds_the_log(stream: &Stream, head: i64) {
    let found = positions(stream).await;
    let expected: Vec<i64> = (1..=head).collect();
    let wrong = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert_eq!(wrong, None, "the stream differs from the log");
    assert_eq!(found.len(), expected.len(), "the stream has not as many messages as the log has events");
}
