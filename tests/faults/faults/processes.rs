//! Faults of our own processes.

use fastrand::Rng;
use futures::future::BoxFuture;

use super::{Fault, a_moment};
use crate::world::World;

/// A process is killed, and started again a moment later: mostly the one that has the work, where only one has it.
pub(crate) struct Killed {
    pub(crate) role: &'static str,
    pub(crate) name: &'static str,
}

impl Fault for Killed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let number = if rng.u32(0..4) > 0 { world.active(self.role) } else { rng.usize(0..2) };
            world.node(self.role, number).kill();
            a_moment(rng, 0..=1_500).await;
            world.node(self.role, number).start();
        })
    }
}

/// A process that has work stands still for longer than its lease, then goes on as if nothing had been.
pub(crate) struct Paused {
    pub(crate) role: &'static str,
    pub(crate) name: &'static str,
}

impl Fault for Paused {
    fn name(&self) -> &'static str {
        self.name
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let number = world.active(self.role);
            world.node(self.role, number).signal("STOP");
            a_moment(rng, 4_500..=6_000).await;
            world.node(self.role, number).signal("CONT");
        })
    }
}

/// A process starts again with a clock that is an hour behind those of the others, or with a right one if its was wrong.
pub(crate) struct ClockSetBack;

impl Fault for ClockSetBack {
    fn name(&self) -> &'static str {
        "clock of a process set back an hour, or right again"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let role = *rng.choice(["api", "process", "project"].iter()).expect("there are some");
            let node = world.node(role, rng.usize(0..2));
            node.kill();
            node.clock_offset = if node.clock_offset == 0 { -3_600 } else { 0 };
            node.start();
        })
    }
}
