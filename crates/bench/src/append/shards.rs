//! Two shards on two Postgres servers, beside one shard on one of them: what a second head row adds.
//!
//! The servers are private ones of this machine and share its cores and its disk, so the ratio is less than what two
//! machines give.

use baeum_domain::position::Shard;
use baeum_eventlog::shard::assign;
use baeum_testing::{PostgresServer, TestDatabase};

use super::{CONNECTIONS, EVENTS, Store as _, ours::Ours};
use crate::{
    Failure, Settings,
    drive::{Measured, drive},
    report::Row,
    servers::tell,
};

/// How many clients, over both shards.
const CLIENTS: [usize; 2] = [64, 512];
/// How often one shard and two take turns.
const ROUNDS: u32 = 2;

/// Both rows for each number of clients; of two shards, each has half of them.
pub(crate) async fn run(settings: &Settings) -> Result<Vec<Row>, Failure> {
    let window = settings.window(ROUNDS);
    let servers = [PostgresServer::start().await, PostgresServer::start().await];
    let (mut databases, mut shards) = (vec![], vec![]);
    for (number, server) in (0..).zip(&servers) {
        let database = TestDatabase::create_on(&server.url(), 2).await;
        assign(&database.pool, Shard::new(number)?).await?;
        shards.push(Ours::open(&database.url(), CONNECTIONS, false).await?);
        databases.push(database);
    }
    let mut rows = vec![];
    for clients in CLIENTS {
        let (mut one, mut both) = (Measured::default(), Measured::default());
        for _ in 0..ROUNDS {
            tell(&format!("append: one shard and two, {clients} clients"));
            one.extend(drive((0..clients).map(|index| shards[0].client(index)).collect(), window).await?);
            both.extend(drive((0..clients).map(|index| shards[index % 2].client(index)).collect(), window).await?);
        }
        let row = |subject: &str, it: Measured| Row::new("append", subject, clients, it.latencies, it.took);
        let one = row("Baeum, one shard", one).with_events(EVENTS);
        let both = row("Baeum, two shards on two servers", both).with_events(EVENTS);
        rows.extend([both.beside(&one), one]);
    }
    for (number, shard) in (0..).zip(&shards) {
        let head = shard.log().head().await?;
        if Shard::of(head) != Some(Shard::new(number)?) {
            return Err(format!("the log of shard {number} is at position {head}, which is of another shard").into());
        }
    }
    Ok(rows)
}
