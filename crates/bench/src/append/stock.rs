//! Stock cqrs-es with postgres-es: the same aggregate, in a table of its own.
//!
//! The events are the truth, without snapshots: `new_snapshot_store` of cqrs-es 0.5 applies the events of a command twice
//! (`CqrsFramework` hands `commit` an aggregate that already applied them), so what it stores is wrong.

use std::{collections::HashMap, sync::Arc};

use baeum_eventlog::cqrs::Root;
use baeum_testing::new_id;
use cqrs_es::{CqrsFramework, EventStore as _, persist::PersistedEventStore};
use futures::future::BoxFuture;
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;

use super::{Store, pool};
use crate::{
    Failure,
    drive::Client,
    workbook::{Desk, Workbook},
};

/// The aggregate, under cqrs-es.
pub(crate) type Aggregate = Root<Workbook>;
/// A stock store.
pub(crate) type StockStore = PersistedEventStore<PostgresEventRepository, Aggregate>;

/// The schema that its table lives in.
const SCHEMA: &str = "stock";

/// A stock framework.
pub(crate) struct Stock {
    pool: PgPool,
    framework: Arc<CqrsFramework<Aggregate, StockStore>>,
}

impl Stock {
    /// Makes the table, as postgres-es documents it.
    pub(crate) async fn prepare(url: &str) -> Result<(), Failure> {
        let pool = pool(url, SCHEMA, 1).await?;
        sqlx::raw_sql(
            "CREATE SCHEMA stock;
             CREATE TABLE stock.events (
                 aggregate_type text   NOT NULL,
                 aggregate_id   text   NOT NULL,
                 sequence       bigint NOT NULL CHECK (sequence >= 0),
                 event_type     text   NOT NULL,
                 event_version  text   NOT NULL,
                 payload        json   NOT NULL,
                 metadata       json   NOT NULL,
                 PRIMARY KEY (aggregate_type, aggregate_id, sequence)
             )",
        )
        .execute(&pool)
        .await?;
        Ok(())
    }

    /// Opens it.
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self, Failure> {
        let pool = pool(url, SCHEMA, connections).await?;
        let store = PersistedEventStore::new_event_store(PostgresEventRepository::new(pool.clone()));
        Ok(Self { pool, framework: Arc::new(CqrsFramework::new(store, vec![], ())) })
    }

    /// A store to load aggregates from.
    pub(crate) fn store(&self) -> Arc<StockStore> {
        Arc::new(PersistedEventStore::new_event_store(PostgresEventRepository::new(self.pool.clone())))
    }
}

/// Loads one aggregate; gives how many exercises were answered.
pub(crate) async fn load(store: &StockStore, id: &str) -> Result<u32, Failure> {
    let context = store.load_aggregate(id).await.map_err(|error| error.to_string())?;
    Ok(context.aggregate.0.answered)
}

impl Store for Stock {
    fn client(&self, index: usize) -> Box<dyn Client> {
        Box::new(StockClient { framework: self.framework.clone(), desk: Desk::new(index) })
    }
}

struct StockClient {
    framework: Arc<CqrsFramework<Aggregate, StockStore>>,
    desk: Desk,
}

impl Client for StockClient {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let command = self.desk.next();
        Box::pin(async move {
            let id = command.workbook_id.to_string();
            let metadata = HashMap::from([
                ("correlation_id".to_owned(), new_id().to_string()),
                ("causation_id".to_owned(), new_id().to_string()),
                ("actor".to_owned(), "learner".to_owned()),
            ]);
            let done = self.framework.execute_with_metadata(&id, command, metadata).await;
            done.map_err(|error| error.to_string().into())
        })
    }
}
