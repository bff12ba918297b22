//! Faults of the broker.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull},
};
use fastrand::Rng;
use futures::{StreamExt as _, future::BoxFuture};

use super::{Fault, a_moment};
use crate::world::{STREAM, World};

/// The server is stopped or killed, and started again on its files.
pub(crate) struct Restarted;

impl Fault for Restarted {
    fn name(&self) -> &'static str {
        "NATS restarted or killed"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            world.nats.stop(rng.bool());
            a_moment(rng, 0..=1_000).await;
            world.nats.start_again().await;
        })
    }
}

/// The server loses all its files.
pub(crate) struct Emptied;

impl Fault for Emptied {
    fn name(&self) -> &'static str {
        "NATS store emptied"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            world.nats.stop(rng.bool());
            world.nats.empty();
            world.nats.start_again().await;
            let again = sqlx::query("UPDATE relay_positions SET position = 0").execute(&world.pool).await;
            again.expect("the relay is told to begin again");
        })
    }
}

/// There is no more room in the store for a while.
pub(crate) struct Full;

impl Fault for Full {
    fn name(&self) -> &'static str {
        "NATS store full"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            world.nats.stop(true);
            world.nats.limit(Some(1_024));
            world.nats.start_again().await;
            a_moment(rng, 1_500..=3_000).await;
            world.nats.stop(true);
            world.nats.limit(None);
            world.nats.start_again().await;
        })
    }
}

/// Events that were delivered before are delivered again, in any order.
pub(crate) struct Redelivered;

impl Fault for Redelivered {
    fn name(&self) -> &'static str {
        "old events delivered again, in any order"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let client = async_nats::connect(world.nats.url()).await.expect("NATS answers");
            let jetstream = jetstream::new(client);
            let stream = jetstream.get_stream(STREAM).await.expect("the stream");
            let last = stream.get_info().await.expect("known").state.last_sequence;
            let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: rng.u64(1..=last.max(1)) };
            let config = pull::OrderedConfig { deliver_policy, ..pull::OrderedConfig::default() };
            let consumer = stream.create_consumer(config).await.expect("a consumer");
            let messages = consumer.messages().await.expect("messages").take(50);
            // At the end of the stream there are fewer.
            let messages = messages.take_until(tokio::time::sleep(Duration::from_secs(1)));
            let mut found: Vec<_> = messages.filter_map(async |it| it.ok()).collect().await;
            rng.shuffle(&mut found);
            for message in found {
                // Without the id by which the server would drop a copy.
                let sent = jetstream.publish(message.subject.clone(), message.payload.clone()).await;
                sent.expect("sent").await.expect("stored");
            }
        })
    }
}
