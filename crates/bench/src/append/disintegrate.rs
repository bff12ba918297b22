//! Disintegrate: the same events, decided by its decision maker on a state that it queries from its event store.

use std::sync::Arc;

use baeum_domain::{Decider as _, learning::lesson};
use disintegrate::{Decision, DecisionError, Event, NoSnapshot, StateMutate, StateQuery, serde::json::Json};
use disintegrate_postgres::{PgDecisionMaker, PgEventStore};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Store, pool};
use crate::{
    Failure,
    drive::Client,
    workbook::{self, Answer, Desk, Workbook},
};

/// The schema that its tables live in.
const SCHEMA: &str = "disintegrate";
/// How often a decision is made anew before the run is given up.
const RETRIES: u32 = 10_000;

/// The events of a workbook, with what disintegrate wants to know of them.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
pub(crate) enum Exercise {
    /// An attempt was submitted.
    Submitted {
        #[id]
        workbook: Uuid,
        event: lesson::Event,
    },
    /// It was evaluated.
    Evaluated {
        #[id]
        workbook: Uuid,
        event: lesson::Event,
    },
}

#[derive(Clone, Debug, Default, StateQuery, Serialize, Deserialize)]
#[state_query(Exercise)]
struct State {
    #[id]
    workbook: Uuid,
    inner: Workbook,
}

impl StateMutate for State {
    fn mutate(&mut self, event: Exercise) {
        let (Exercise::Submitted { event, .. } | Exercise::Evaluated { event, .. }) = event;
        self.inner.evolve(&event);
    }
}

struct Decide(Answer);

impl Decision for Decide {
    type Event = Exercise;
    type StateQuery = State;
    type Error = workbook::Error;

    fn state_query(&self) -> State {
        State { workbook: self.0.workbook_id, inner: Workbook::default() }
    }

    fn process(&self, state: &State) -> Result<Vec<Exercise>, workbook::Error> {
        let workbook = self.0.workbook_id;
        let events = state.inner.decide(self.0.clone())?.into_iter().map(|event| match event {
            lesson::Event::AttemptSubmitted { .. } => Exercise::Submitted { workbook, event },
            _ => Exercise::Evaluated { workbook, event },
        });
        Ok(events.collect())
    }
}

type Maker = PgDecisionMaker<Exercise, Json<Exercise>, NoSnapshot>;

/// A decision maker of disintegrate.
pub(crate) struct Disintegrate(Arc<Maker>);

impl Disintegrate {
    /// Makes its tables and opens it.
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self, Failure> {
        let admin = pool(url, SCHEMA, 1).await?;
        // A function of 4.0 has a literal that Postgres reads from version 16 on: it is made unchecked, then mended.
        sqlx::raw_sql("CREATE SCHEMA disintegrate; SET check_function_bodies = off").execute(&admin).await?;
        PgEventStore::try_new(admin.clone(), Json::<Exercise>::default()).await?;
        let function: String = sqlx::query_scalar("SELECT pg_get_functiondef('event_store_begin_epoch'::regproc)")
            .fetch_one(&admin)
            .await?;
        sqlx::raw_sql(&function.replace("0xFFFFFFFF", "4294967295")).execute(&admin).await?;
        let pool = pool(url, SCHEMA, connections).await?;
        let store = PgEventStore::new_uninitialized(pool, Json::<Exercise>::default());
        Ok(Self(Arc::new(disintegrate_postgres::decision_maker(store, NoSnapshot))))
    }
}

impl Store for Disintegrate {
    fn client(&self, index: usize) -> Box<dyn Client> {
        Box::new(DecidingClient { maker: self.0.clone(), desk: Desk::new(index) })
    }
}

struct DecidingClient {
    maker: Arc<Maker>,
    desk: Desk,
}

impl Client for DecidingClient {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let command = self.desk.next();
        Box::pin(async move {
            // Its serializable transactions fail on neighbours too, and it reads only up to the oldest write in flight,
            // so a client may not see its own last decision yet. Who uses it decides again.
            for _ in 0..RETRIES {
                match self.maker.make(Decide(command.clone())).await {
                    Ok(_) => return Ok(()),
                    Err(DecisionError::Domain(workbook::Error::BeforeItsTurn(..))) => {}
                    Err(DecisionError::StateStore(error)) if is_conflict(error.as_ref()) => {}
                    Err(error) => return Err(error.to_string().into()),
                }
            }
            Err(format!("disintegrate: a decision failed {RETRIES} times on conflicts").into())
        })
    }
}

fn is_conflict(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<disintegrate_postgres::Error>() {
        Some(disintegrate_postgres::Error::Concurrency) => true,
        Some(disintegrate_postgres::Error::Database(error)) => {
            error.as_database_error().is_some_and(|it| it.code().as_deref() == Some("40001"))
        }
        _ => false,
    }
}
