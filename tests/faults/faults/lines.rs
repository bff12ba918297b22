//! Faults of the lines between the processes.

use fastrand::Rng;
use futures::future::BoxFuture;

use super::{Fault, a_moment};
use crate::{
    line::{Cut, Line},
    world::World,
};

/// Connections of clients are cut in the middle of their commands.
pub(crate) struct FrontCut;

impl Fault for FrontCut {
    fn name(&self) -> &'static str {
        "client connections cut in mid-command"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(cut(&world.front, 1, rng))
    }
}

/// Connections of the API servers to the database are cut in the middle of an append.
pub(crate) struct BackCut;

impl Fault for BackCut {
    fn name(&self) -> &'static str {
        "database connections cut in mid-commit"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        // No other statement of an API server is as long as an append.
        Box::pin(cut(&world.back, 500, rng))
    }
}

async fn cut(lines: &[Line], min_bytes: usize, rng: &mut Rng) {
    for line in lines {
        let cut = *rng.choice([Cut::Request, Cut::Between, Cut::Answer].iter()).expect("there are some");
        line.arm(cut, rng.u32(2..=8), min_bytes);
    }
    a_moment(rng, 700..=1_500).await;
    lines.iter().for_each(Line::disarm);
}
