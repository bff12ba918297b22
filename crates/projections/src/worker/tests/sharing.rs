use std::collections::BTreeSet;

use baeum_eventlog::{Options, nats::Broker, relay};
use tokio::task::JoinHandle;

use super::*;
use crate::{parking, testing::in_a_world_with};

/// How many connections the processes of these tests have.
const CONNECTIONS: u32 = 12;

/// A process of its own: with its log, and an end.
struct Process {
    workers: JoinHandle<()>,
    stop: CancellationToken,
}

impl Process {
    async fn start(world: &World, tally: &Arc<Tally>, broker: Option<Broker>) -> Self {
        let log = EventLog::open(world.pool.clone(), world.clock.clone(), broker, Options::default()).await;
        let stop = CancellationToken::new();
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        let workers = tokio::spawn(run(log.expect("a log"), projections, stop.clone()));
        Self { workers, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.workers.await.expect("the workers end in order");
    }

    /// Ends it in the middle of what it does, without a word to the others.
    async fn kill(self) {
        self.workers.abort();
        assert!(self.workers.await.expect_err("it was at work").is_cancelled());
    }
}

/// Waits until so many processes share the partitions evenly.
async fn shared_by(world: &World, tally: &Arc<Tally>, processes: usize) {
    let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
    let dealt = |it: &ProjectionStatus| it.members == processes && it.partitions.len() == 16;
    let status = status_when(world, &projections, "tally", dealt).await;
    let owners: BTreeSet<_> = status.partitions.iter().map(|it| it.member).collect();
    assert_eq!(owners.len(), processes);
}

/// Each event was applied once, in its order, and nothing is lost.
async fn taken_in_once(world: &World, tally: &Arc<Tally>, events: i64) {
    caught_up(world).await;
    assert_eq!(tallied(world).await, (1..=events).collect::<Vec<_>>());
    // An event that is applied twice violates the key of the table.
    let parked = parking::list(&world.pool, "tally", "", 10).await.expect("a database");
    assert_eq!(parked, []);
    assert!(equals_a_rebuild(world, tally).await);
}

#[tokio::test]
async fn two_processes_share_the_partitions_of_a_projection() {
    in_a_world_with(CONNECTIONS, async |world| {
        let tally = create_tally(world).await;
        let both = [Arc::<Tally>::default(), Arc::default()];
        let one = Process::start(world, &both[0], None).await;
        let other = Process::start(world, &both[1], None).await;
        shared_by(world, &tally, 2).await;
        register_others(world, 1..301).await;
        taken_in_once(world, &tally, 300).await;
        for twin in &both {
            assert!(twin.applied.load(Ordering::Relaxed) > 0, "both work");
        }
        one.stop().await;
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_others_take_over_when_a_process_is_killed() {
    in_a_world_with(CONNECTIONS, async |world| {
        let tally = create_tally(world).await;
        let one = Process::start(world, &tally, None).await;
        let other = Process::start(world, &tally, None).await;
        shared_by(world, &tally, 2).await;
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        let writing = register_others(world, 1..301);
        let killing = async {
            status_when(world, &projections, "tally", |it| it.position > 50).await;
            one.kill().await;
        };
        tokio::join!(writing, killing);
        shared_by(world, &tally, 1).await;
        taken_in_once(world, &tally, 300).await;
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_process_that_joins_or_leaves_has_the_partitions_dealt_anew() {
    in_a_world_with(CONNECTIONS, async |world| {
        let tally = create_tally(world).await;
        let mut processes = vec![];
        for (count, users) in [(1, 1..101), (2, 101..201), (3, 201..301)] {
            processes.push(Process::start(world, &tally, None).await);
            // While events come in.
            register_others(world, users).await;
            shared_by(world, &tally, count).await;
        }
        processes.remove(0).stop().await;
        register_others(world, 301..401).await;
        shared_by(world, &tally, 2).await;
        taken_in_once(world, &tally, 400).await;
        for process in processes {
            process.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn processes_that_share_a_projection_follow_the_broker() {
    in_a_world_with(CONNECTIONS, async |world| {
        let tally = create_tally(world).await;
        let broker = Broker::connect(&baeum_testing::nats_url(), &baeum_testing::stream_name()).await;
        let broker = broker.expect("JetStream answers");
        let stop = CancellationToken::new();
        let relaying = tokio::spawn(relay::run(world.log.clone(), broker.clone(), stop.clone()));
        let one = Process::start(world, &tally, Some(broker.clone())).await;
        let other = Process::start(world, &tally, Some(broker)).await;
        shared_by(world, &tally, 2).await;
        register_others(world, 1..201).await;
        caught_up(world).await;
        one.kill().await;
        register_others(world, 201..301).await;
        taken_in_once(world, &tally, 300).await;
        other.stop().await;
        stop.cancel();
        relaying.await.expect("the relay ends in order");
    })
    .await;
}

#[tokio::test]
async fn partitions_that_are_behind_catch_up_and_then_go_on_with_the_others() {
    in_a_world(async |world| {
        let tally = create_tally(world).await;
        register_others(world, 1..301).await;
        let mut worker = worker(world, tally.clone()).await;
        // As if its process had been killed early, another one's partitions stand where they are.
        worker.owned.retain(|partition, _| partition % 2 == 0);
        let front = worker.front().expect("partitions");
        let stored = worker.next(&front).await.expect("the log can be read");
        assert!(worker.take_in(&front, stored).await.expect("the events are good"));
        let projections: Vec<Arc<dyn Projection>> = vec![tally.clone()];
        with_workers(world, &projections, async || taken_in_once(world, &tally, 300).await).await;
    })
    .await;
}
