//! What tests of every crate share: a database of their own, a clock that they move, bytes that they can foresee.
//!
//! `DATABASE_URL` and `NATS_URL` say where the servers are; `scripts/test` sets them. Without them, the servers of this
//! machine on their usual ports are used.

#![allow(clippy::disallowed_methods, reason = "names of databases and streams, and ids, must differ between runs")]

mod nats_cluster;
mod postgres_server;

use std::{
    str::FromStr,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use baeum_domain::{Clock, Entropy};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

pub use nats_cluster::NatsCluster;
pub use postgres_server::{PostgresServer, free_port};

/// A migrated database for one test, dropped at its end.
pub struct TestDatabase {
    /// Connections to it.
    pub pool: PgPool,
    name: String,
    server: String,
}

impl TestDatabase {
    /// Makes a database with the schema of this build.
    ///
    /// # Panics
    /// When no Postgres answers.
    pub async fn create() -> Self {
        Self::create_with(10).await
    }

    /// The same with a pool of so many connections. With one, as the embedded database has, whoever asks for a second
    /// connection while holding the first waits in vain.
    ///
    /// # Panics
    /// When no Postgres answers.
    pub async fn create_with(connections: u32) -> Self {
        Self::create_on(&server(), connections).await
    }

    /// The same on the server of this URL, such as a [`PostgresServer`].
    ///
    /// # Panics
    /// When that server does not answer.
    pub async fn create_on(server: &str, connections: u32) -> Self {
        let name = format!("baeum_test_{}", Uuid::now_v7().simple());
        let mut admin = admin(server).await.expect("Postgres answers: set DATABASE_URL, or run scripts/test");
        sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut admin).await.expect("a new database");
        let options = options(server).database(&name);
        let pool = baeum_eventlog::connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .expect("a connection");
        baeum_eventlog::migrate(&pool).await.expect("migrated");
        Self { pool, name, server: server.to_owned() }
    }

    /// Its URL, for a process.
    pub fn url(&self) -> String {
        let (base, options) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        format!("{base}/{}{options}", self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, server) = (self.name.clone(), self.server.clone());
        // Dropping is not async; a thread of its own waits for the server.
        let dropping = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                // A server that is gone has taken its databases with it.
                let Ok(Ok(mut admin)) = tokio::time::timeout(Duration::from_secs(10), admin(&server)).await else {
                    return;
                };
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::query(&drop).execute(&mut admin).await.expect("the database is dropped");
            });
        });
        let _ = dropping.join();
    }
}

const DEFAULT_SERVER: &str = "postgres://root@127.0.0.1/postgres";

fn server() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| DEFAULT_SERVER.to_owned())
}

fn options(server: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(server).expect("DATABASE_URL is a Postgres URL")
}

async fn admin(server: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&options(server)).await
}

/// An id that nothing else has.
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Where NATS is.
pub fn nats_url() -> String {
    std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned())
}

/// A stream name for one test.
pub fn stream_name() -> String {
    format!("test_{}", Uuid::now_v7().simple())
}

/// A clock that stands until it is moved. Its ids are fresh all the same.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock at `moment` (RFC 3339).
    ///
    /// # Panics
    /// When `moment` is no moment.
    pub fn at(moment: &str) -> Self {
        let moment: DateTime<Utc> = moment.parse().expect("a moment");
        Self(AtomicI64::new(moment.timestamp_millis()))
    }

    /// Moves it on.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).expect("within range")
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// A test that travels time moves it by events; forwards only.
    fn stand_at(&self, moment: DateTime<Utc>) {
        self.0.fetch_max(moment.timestamp_millis(), Ordering::SeqCst);
    }
}

/// Bytes that count up: different each time, the same in every run.
#[derive(Default)]
pub struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}

/// Asks `look` every 20 ms until it finds something.
///
/// # Panics
/// When nothing is found within a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
