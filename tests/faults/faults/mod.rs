//! What is done to the servers while clients work. Each fault leaves everything running again; what it takes until
//! everything is well again is measured after that.

mod broker;
mod database;
mod lines;
mod poison;
mod processes;

use fastrand::Rng;
use futures::future::BoxFuture;

use crate::world::World;

/// Who is named as the actor of what a fault appends by hand.
pub(crate) const BY_HAND: &str = "by-hand";

/// Something that goes wrong.
pub(crate) trait Fault: Send + Sync {
    /// What it is called in the report.
    fn name(&self) -> &'static str;

    /// Makes it go wrong, then right again.
    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()>;
}

/// Every fault.
pub(crate) fn all() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(processes::Killed { role: "api", name: "API server killed (kill -9)" }),
        Box::new(processes::Killed { role: "relay", name: "relay killed (kill -9)" }),
        Box::new(processes::Killed { role: "project", name: "projection worker killed (kill -9)" }),
        Box::new(processes::Killed { role: "process", name: "saga process killed (kill -9)" }),
        Box::new(processes::Paused { role: "relay", name: "relay paused beyond its lease" }),
        Box::new(processes::Paused { role: "project", name: "projection worker paused beyond its lease" }),
        Box::new(processes::Paused { role: "process", name: "saga process paused beyond its lease" }),
        Box::new(processes::ClockSetBack),
        Box::new(database::Restarted),
        Box::new(database::Paused),
        Box::new(database::SlowProjection),
        Box::new(poison::Poison),
        Box::new(broker::Restarted),
        Box::new(broker::Emptied),
        Box::new(broker::Full),
        Box::new(broker::Redelivered),
        Box::new(lines::FrontCut),
        Box::new(lines::BackCut),
    ]
}

/// What can happen to a cluster of NATS servers and those who use it.
pub(crate) fn of_a_cluster() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(broker::NodeKilled),
        Box::new(broker::NodeKilled),
        Box::new(processes::Killed { role: "relay", name: "relay killed (kill -9)" }),
        Box::new(processes::Paused { role: "relay", name: "relay paused beyond its lease" }),
    ]
}

/// A moment of between so many milliseconds.
async fn a_moment(rng: &mut Rng, milliseconds: std::ops::RangeInclusive<u64>) {
    tokio::time::sleep(std::time::Duration::from_millis(rng.u64(milliseconds))).await;
}
