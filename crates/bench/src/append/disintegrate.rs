//! Disintegrate: the same events, decided by its decision maker on a state that it queries from its event store.

use std::sync::Arc;

use baeum_domain::Decider as _;
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

/// The events of a workbook, with what disintegrate wants to know of them.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
pub(crate) enum Exercise {
    /// The learner answered an exercise.
    ExerciseAnswered {
        #[id]
        workbook: Uuid,
        event: workbook::Event,
    },
    /// The answer was marked.
    ExerciseMarked {
        #[id]
        workbook: Uuid,
        event: workbook::Event,
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
        let (Exercise::ExerciseAnswered { event, .. } | Exercise::ExerciseMarked { event, .. }) = event;
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
            workbook::Event::ExerciseAnswered { .. } => Exercise::ExerciseAnswered { workbook, event },
            workbook::Event::ExerciseMarked { .. } => Exercise::ExerciseMarked { workbook, event },
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
        sqlx::raw_sql("CREATE SCHEMA disintegrate").execute(&pool(url, "public", 1).await?).await?;
        let pool = pool(url, SCHEMA, connections).await?;
        let store = PgEventStore::try_new(pool, Json::<Exercise>::default()).await?;
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
            // Its serializable transactions fail on neighbours too; who uses it decides again.
            for _ in 0..100 {
                match self.maker.make(Decide(command.clone())).await {
                    Ok(_) => return Ok(()),
                    Err(DecisionError::StateStore(error)) if is_conflict(error.as_ref()) => {}
                    Err(error) => return Err(error.to_string().into()),
                }
            }
            Err("disintegrate: a decision failed 100 times on conflicts".into())
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
