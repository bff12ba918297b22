//! Loading: aggregates of 10 and 1,000 events, with and without snapshot, beside stock cqrs-es.
//!
//! Stock has no row with snapshots: cqrs-es 0.5 stores them with the events of a command applied twice, so what it would
//! load is wrong (see `append/stock.rs`).

use std::sync::Arc;

use baeum_domain::Decider;
use baeum_eventlog::{CommandContext, EventLog};
use baeum_testing::{TestDatabase, new_id};
use futures::future::{BoxFuture, try_join_all};
use uuid::Uuid;

use crate::{
    Failure, Settings,
    append::{
        CONNECTIONS,
        ours::{Ours, context},
        stock::{self, Stock, StockStore},
    },
    drive::{Client, Measured, drive},
    report::Row,
    servers::tell,
    workbook::{self, Answer, Workbook},
};

/// How many aggregates of each length.
const STREAMS: usize = 48;
/// How many load at once.
const CLIENTS: usize = 8;
/// How often each subject has its turn.
const ROUNDS: u32 = 2;

/// All rows.
pub(crate) async fn run(settings: &Settings) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create().await;
    Stock::prepare(&database.url()).await?;
    let log = Ours::open(&database.url(), CONNECTIONS, false).await?.log().clone();
    // What is loaded is read, not remembered.
    let reading = Ours::forgetful(&database.url(), CONNECTIONS).await?.log().clone();
    let stock = Stock::open(&database.url(), CONNECTIONS).await?;
    let mut rows = vec![];
    for events in [10, 1_000] {
        tell(&format!("load: writing {STREAMS} aggregates of {events} events, twice"));
        let bare = write(&log, events).await?;
        let kept = write(&log, events).await?;
        set_snapshots(&log, &bare, &kept).await?;
        let stock_copy = "INSERT INTO stock.events
                          SELECT aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata
                          FROM public.events WHERE aggregate_id = ANY($1)";
        sqlx::query(stock_copy).bind(texts(&bare)).execute(log.pool()).await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(log.pool()).await?;
        let subjects = [
            (format!("Baeum, {events} events"), Way::Load(reading.clone()), &bare),
            (format!("Baeum, {events} events, snapshot"), Way::Load(reading.clone()), &kept),
            (format!("Baeum, {events} events, in a command that decides nothing"), Way::Execute(log.clone()), &kept),
            (format!("cqrs-es + postgres-es, {events} events"), Way::Stock(stock.store()), &bare),
        ];
        let mut sums = vec![Measured::default(); subjects.len()];
        for _ in 0..ROUNDS {
            for ((name, way, streams), sum) in subjects.iter().zip(&mut sums) {
                tell(&format!("load: {name}"));
                let client = |index: usize| Box::new(Loading::new(way.clone(), streams, index, events)) as Box<_>;
                sum.extend(drive((0..CLIENTS).map(client).collect(), settings.window(ROUNDS)).await?);
            }
        }
        let mut measured: Vec<Row> = subjects
            .into_iter()
            .zip(sums)
            .map(|((name, ..), it)| Row::new("load", name, CLIENTS, it.latencies, it.took))
            .collect();
        let peer = measured.pop().ok_or("no peer")?;
        rows.extend(measured.into_iter().map(|row| row.beside(&peer)));
        rows.push(peer);
    }
    Ok(rows)
}

/// Writes [`STREAMS`] aggregates of so many events.
async fn write(log: &EventLog, events: u32) -> Result<Vec<Uuid>, Failure> {
    let ids: Vec<Uuid> = (0..STREAMS).map(|_| new_id()).collect();
    try_join_all(ids.iter().map(|id| async move {
        for ordinal in 1..=events / 2 {
            execute(log, *id, ordinal).await?;
        }
        Ok::<_, Failure>(())
    }))
    .await?;
    Ok(ids)
}

/// Gives one of `kept` a snapshot at its end, takes those of `bare` away.
async fn set_snapshots(log: &EventLog, bare: &[Uuid], kept: &[Uuid]) -> Result<(), Failure> {
    sqlx::query("DELETE FROM aggregate_snapshots WHERE aggregate_id = ANY($1)")
        .bind(texts(&[bare, kept].concat()))
        .execute(log.pool())
        .await?;
    for id in kept {
        let loaded = log.load::<Workbook>("main", &id.to_string()).await?;
        sqlx::query(
            "INSERT INTO aggregate_snapshots (aggregate_type, aggregate_id, sequence, schema_version, state)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(Workbook::AGGREGATE)
        .bind(id.to_string())
        .bind(loaded.sequence)
        .bind(i32::from(Workbook::SNAPSHOT_VERSION))
        .bind(serde_json::to_value(&*loaded.state)?)
        .execute(log.pool())
        .await?;
    }
    Ok(())
}

fn texts(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}

/// Executes the command of one exercise; gives how many exercises are answered thereafter.
async fn execute(log: &EventLog, workbook_id: Uuid, ordinal: u32) -> Result<u32, Failure> {
    let context: CommandContext = context(None);
    let prepare = |_| std::future::ready(Ok::<_, workbook::Error>(Answer { workbook_id, ordinal }));
    let id = workbook_id.to_string();
    let outcome = log.execute::<Workbook, u32, _, _>(&context, &id, prepare, |state, _| state.answered).await?;
    Ok(outcome.answer)
}

/// How an aggregate is loaded.
#[derive(Clone)]
enum Way {
    Load(EventLog),
    Execute(EventLog),
    Stock(Arc<StockStore>),
}

struct Loading {
    way: Way,
    streams: Vec<Uuid>,
    next: usize,
    exercises: u32,
}

impl Loading {
    fn new(way: Way, streams: &[Uuid], index: usize, events: u32) -> Self {
        Self { way, streams: streams.to_vec(), next: index * STREAMS / CLIENTS, exercises: events / 2 }
    }
}

impl Client for Loading {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.next = (self.next + 1) % self.streams.len();
        let id = self.streams[self.next];
        Box::pin(async move {
            let answered = match &self.way {
                Way::Load(log) => log.load::<Workbook>("main", &id.to_string()).await?.state.answered,
                Way::Execute(log) => execute(log, id, 1).await?,
                Way::Stock(store) => stock::load(store, &id.to_string()).await?,
            };
            if answered != self.exercises {
                return Err(format!("workbook {id} was loaded with {answered} exercises: not what was written").into());
            }
            Ok(())
        })
    }
}
