//! Appending: two events a command, by 1, 64 and 512 clients, beside peers on the same server.
//!
//! Each client works on workbooks of its own. Rounds of the subjects alternate, so that what else the machine does
//! meets all of them.

pub(crate) mod copy;
mod disintegrate;
mod message_db;
pub(crate) mod ours;
pub(crate) mod processes;
pub(crate) mod shards;
pub(crate) mod stock;

use std::{str::FromStr as _, time::Duration};

use baeum_testing::TestDatabase;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Failure, Settings,
    drive::{Client, Measured, Window, drive},
    report::Row,
    servers::tell,
};
use copy::Commit;
use ours::Ours;
use processes::Subject;
use stock::Stock;

/// Connections of a subject, over all of its processes.
pub(crate) const CONNECTIONS: u32 = 32;
/// How many clients.
const CLIENTS: [usize; 3] = [1, 64, 512];
/// How often each subject has its turn.
const ROUNDS: u32 = 2;
/// Events of a command.
const EVENTS: f64 = 2.0;

const OURS: &str = "Baeum";
const STOCK: &str = "cqrs-es + postgres-es";

/// What clients can write to.
pub(crate) trait Store: Send + Sync {
    /// A client with workbooks of its own.
    fn client(&self, index: usize) -> Box<dyn Client>;
}

/// A pool whose connections look into the schema `path`.
pub(crate) async fn pool(url: &str, path: &str, connections: u32) -> Result<PgPool, Failure> {
    let options = PgConnectOptions::from_str(url)?.options([("search_path", path)]);
    Ok(PgPoolOptions::new().max_connections(connections).connect_with(options).await?)
}

struct Contender {
    name: String,
    store: Box<dyn Store>,
    // Dropped after the store that uses it.
    _database: TestDatabase,
}

/// All rows.
pub(crate) async fn run(settings: &Settings) -> Result<Vec<Row>, Failure> {
    let window = settings.window(ROUNDS);
    let contenders = contenders().await?;
    let copying = TestDatabase::create().await;
    copy::prepare(&copying.url()).await?;
    let mut rows = vec![];
    for clients in CLIENTS {
        let mut measured = vec![Measured::default(); contenders.len()];
        let mut chunks = Measured::default();
        for _ in 0..ROUNDS {
            for (contender, sum) in contenders.iter().zip(&mut measured) {
                tell(&format!("append: {}, {clients} clients", contender.name));
                let callers = (0..clients).map(|index| contender.store.client(index)).collect();
                sum.extend(drive(callers, window).await?);
            }
            tell(&format!("append: COPY in transactions of {} rows", clients * 2));
            chunks.extend(copy::run(&copying.url(), Commit::Each(clients), window).await?);
        }
        let mut peers: Vec<Row> = contenders
            .iter()
            .zip(measured)
            .map(|(contender, measured)| row(contender.name.clone(), clients, measured))
            .collect();
        peers.push(row(format!("COPY, {} rows a transaction", clients * 2), clients, chunks));
        let (ours, receipts) = (peers.remove(0), peers.remove(0));
        rows.push(receipts.beside(&peers[0]));
        rows.extend(beside_each(ours, peers));
    }
    tell("append: COPY, all rows in one transaction");
    let once = Window { warm_up: Duration::ZERO, measured: window.measured * ROUNDS };
    let stream = copy::run(&copying.url(), Commit::Once, once).await?;
    rows.push(row("COPY, one transaction".into(), 1, stream));
    drop((contenders, copying));
    rows.extend(several_processes(window).await?);
    rows.extend(shards::run(settings).await?);
    Ok(rows)
}

/// Ours without and with receipts, then stock, then the other peers.
async fn contenders() -> Result<Vec<Contender>, Failure> {
    let mut all = vec![];
    let mut enter = |name: &str, store: Box<dyn Store>, database| {
        all.push(Contender { name: name.into(), store, _database: database });
    };
    let database = TestDatabase::create().await;
    enter(OURS, Box::new(Ours::open(&database.url(), CONNECTIONS, false).await?), database);
    let database = TestDatabase::create().await;
    enter("Baeum, with receipts", Box::new(Ours::open(&database.url(), CONNECTIONS, true).await?), database);
    let database = TestDatabase::create().await;
    Stock::prepare(&database.url()).await?;
    enter(STOCK, Box::new(Stock::open(&database.url(), CONNECTIONS).await?), database);
    let database = TestDatabase::create().await;
    let store = disintegrate::Disintegrate::open(&database.url(), CONNECTIONS).await?;
    enter("disintegrate", Box::new(store), database);
    if let Some(folder) = message_db::folder() {
        let database = TestDatabase::create().await;
        let store = message_db::MessageDb::open(&database.url(), CONNECTIONS, folder).await?;
        enter("message-db write_message", Box::new(store), database);
    } else {
        tell("append: without message-db: MESSAGE_DB_DIR is not set");
    }
    Ok(all)
}

/// A row of ours beside each peer, then the peers.
fn beside_each(ours: Row, peers: Vec<Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = peers.iter().map(|peer| ours.clone().beside(peer)).collect();
    rows.extend(peers);
    rows
}

fn row(subject: String, clients: usize, measured: Measured) -> Row {
    Row::new("append", subject, clients, measured.latencies, measured.took).with_events(EVENTS)
}

/// Ours and stock, each in several processes.
async fn several_processes(window: Window) -> Result<Vec<Row>, Failure> {
    let (ours, stock) = (TestDatabase::create().await, TestDatabase::create().await);
    Stock::prepare(&stock.url()).await?;
    let mut rows = vec![];
    for clients in [64, 512] {
        let subjects = [(OURS, Subject::Ours, &ours), (STOCK, Subject::Stock, &stock)];
        let mut both = vec![];
        let mut sums = [(Measured::default(), 0), (Measured::default(), 0)];
        for _ in 0..ROUNDS {
            for ((name, subject, database), (sum, rss_mb)) in subjects.iter().zip(&mut sums) {
                tell(&format!("append: {name}, {} processes, {clients} clients", processes::PROCESSES));
                let (measured, memory) = processes::run(*subject, &database.url(), clients, window).await?;
                sum.extend(measured);
                *rss_mb = memory;
            }
        }
        for ((name, _, _), (measured, rss_mb)) in subjects.iter().zip(sums) {
            let mut row = row(format!("{name}, {} processes", processes::PROCESSES), clients, measured);
            row.rss_mb = Some(rss_mb);
            both.push(row);
        }
        let ours = both.remove(0);
        rows.extend(beside_each(ours, both));
    }
    Ok(rows)
}
