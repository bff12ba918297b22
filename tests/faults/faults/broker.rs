//! Faults of the broker.

use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use fastrand::Rng;
use futures::{StreamExt as _, future::BoxFuture};

use super::{Fault, a_moment};
use crate::world::World;

/// Every server is stopped or killed, and started again on its files.
pub(crate) struct Restarted;

impl Fault for Restarted {
    fn name(&self) -> &'static str {
        "NATS stopped or killed, started again"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            stop_all(world, rng.bool());
            a_moment(rng, 0..=1_000).await;
            start_all(world).await;
        })
    }
}

/// Every server loses all its files.
pub(crate) struct Emptied;

impl Fault for Emptied {
    fn name(&self) -> &'static str {
        "NATS store emptied"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            stop_all(world, rng.bool());
            (0..world.nats.size()).for_each(|node| world.nats.empty(node));
            start_all(world).await;
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
            stop_all(world, true);
            world.nats.limit(Some(1_024));
            start_all(world).await;
            a_moment(rng, 1_500..=3_000).await;
            stop_all(world, true);
            world.nats.limit(None);
            start_all(world).await;
        })
    }
}

/// One server of a cluster is killed, most often the one that leads the stream, and started again a moment later.
pub(crate) struct NodeKilled;

impl Fault for NodeKilled {
    fn name(&self) -> &'static str {
        "one of three NATS servers killed (kill -9)"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut stream = world.stream().await;
            let leader = stream.info().await.ok().and_then(|info| info.cluster.as_ref()?.leader.clone());
            let any = rng.usize(0..world.nats.size());
            let node = leader.filter(|_| rng.u32(0..4) > 0).map_or(any, |name| world.nats.node(&name));
            world.nats.kill(node);
            a_moment(rng, 500..=6_000).await;
            world.nats.restart(node).await;
        })
    }
}

fn stop_all(world: &mut World, in_order: bool) {
    for node in 0..world.nats.size() {
        if in_order { world.nats.stop(node) } else { world.nats.kill(node) }
    }
}

async fn start_all(world: &mut World) {
    for node in 0..world.nats.size() {
        world.nats.restart(node).await;
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
            let (jetstream, stream) = (world.jetstream().await, world.stream().await);
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
                if let Ok(sent) = jetstream.publish(message.subject.clone(), message.payload.clone()).await {
                    let _ = sent.await;
                }
            }
        })
    }
}
