//! Faults of the database.

use fastrand::Rng;
use futures::future::BoxFuture;
use sqlx::{Connection as _, PgConnection};

use super::{Fault, a_moment};
use crate::world::World;

/// The server is stopped in immediate mode, as by a power failure, and started again.
pub(crate) struct Restarted;

impl Fault for Restarted {
    fn name(&self) -> &'static str {
        "Postgres restarted (immediate)"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            world.postgres.crash();
            a_moment(rng, 0..=1_000).await;
            world.postgres.start_again().await;
        })
    }
}

/// The server and all its backends stand still for a while; connections stand, nothing answers.
pub(crate) struct Paused;

impl Fault for Paused {
    fn name(&self) -> &'static str {
        "Postgres paused for 1 to 5 s"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            world.postgres.pause();
            a_moment(rng, 1_000..=5_000).await;
            world.postgres.resume();
        })
    }
}

/// Someone else holds a table of a read model for a while, so that its projection falls behind.
pub(crate) struct SlowProjection;

impl Fault for SlowProjection {
    fn name(&self) -> &'static str {
        "read model locked by another session"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let tables = ["learners", "assessments", "lessons", "progress", "emotion", "recommendations"];
            let table = *rng.choice(tables.iter()).expect("there are some");
            let mut other = PgConnection::connect(&world.postgres.url()).await.expect("a connection");
            let mut held = other.begin().await.expect("a transaction");
            let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            sqlx::query(&lock).execute(&mut *held).await.expect("the table is locked");
            a_moment(rng, 1_000..=3_000).await;
            held.rollback().await.expect("the table is free again");
        })
    }
}
