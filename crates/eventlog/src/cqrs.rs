//! Baeum's aggregates under cqrs-es: what is written against that library works on this log too.
//!
//! [`Root`] makes a [`Decider`] an `Aggregate`; [`CqrsStore`] is an `EventStore` over [`EventLog`].

use std::{collections::HashMap, fmt, marker::PhantomData, sync::Arc};

use baeum_domain::{Decider, DomainEvent as _};
use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore, event_sink::EventSink,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    EventLog,
    appender::{AppendError, NewEvent, NewEvents},
    error::LogError,
};

/// A decider as an aggregate of cqrs-es.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Root<D: Decider>(pub D);

/// An event of a decider as an event of cqrs-es.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RootEvent<E>(pub E);

impl<E: baeum_domain::DomainEvent> DomainEvent for RootEvent<E> {
    fn event_type(&self) -> String {
        self.0.event_type().to_owned()
    }

    fn event_version(&self) -> String {
        E::current_version(self.0.event_type()).unwrap_or(1).to_string()
    }
}

impl<D: Decider> Aggregate for Root<D> {
    const TYPE: &'static str = D::AGGREGATE;
    type Command = D::Command;
    type Event = RootEvent<D::Event>;
    type Error = D::Error;
    type Services = ();

    async fn handle(&mut self, command: D::Command, (): &(), sink: &EventSink<Self>) -> Result<(), D::Error> {
        for event in self.0.decide(command)? {
            sink.write(RootEvent(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.0.evolve(&event.0);
    }
}

/// The log as an event store of cqrs-es, for one tenant.
pub struct CqrsStore<D> {
    log: EventLog,
    tenant: String,
    decider: PhantomData<fn() -> D>,
}

impl<D> CqrsStore<D> {
    /// The store of one tenant's aggregates of type `D`.
    pub fn new(log: EventLog, tenant: impl Into<String>) -> Self {
        Self { log, tenant: tenant.into(), decider: PhantomData }
    }
}

/// An aggregate that was loaded to be changed.
pub struct CqrsContext<D: Decider> {
    id: String,
    root: Root<D>,
    sequence: i64,
}

impl<D: Decider> fmt::Debug for CqrsContext<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqrsContext").field("id", &self.id).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl<D: Decider> AggregateContext<Root<D>> for CqrsContext<D> {
    fn aggregate(&mut self) -> &mut Root<D> {
        &mut self.root
    }
}

impl<D: Decider> EventStore<Root<D>> for CqrsStore<D> {
    type AC = CqrsContext<D>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<Root<D>>>, AggregateError<D::Error>> {
        let events = self.log.read_stream::<D>(&self.tenant, id, 0).await.map_err(to_aggregate_error)?;
        let envelope = |event: baeum_domain::Recorded<D::Event>| EventEnvelope {
            aggregate_id: event.aggregate_id,
            sequence: usize::try_from(event.sequence).unwrap_or(usize::MAX),
            payload: RootEvent(event.payload),
            metadata: HashMap::from([("actor".to_owned(), event.actor)]),
        };
        Ok(events.into_iter().map(envelope).collect())
    }

    async fn load_aggregate(&self, id: &str) -> Result<CqrsContext<D>, AggregateError<D::Error>> {
        let loaded = self.log.load::<D>(&self.tenant, id).await.map_err(to_aggregate_error)?;
        Ok(CqrsContext { id: id.to_owned(), root: Root(Arc::unwrap_or_clone(loaded.state)), sequence: loaded.sequence })
    }

    /// Appends what was decided. `metadata` may name the `actor` and a `correlation_id`.
    async fn commit(
        &self,
        events: Vec<RootEvent<D::Event>>,
        context: CqrsContext<D>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Root<D>>>, AggregateError<D::Error>> {
        if events.is_empty() {
            return Ok(vec![]);
        }
        let fresh = self.log.clock.new_id();
        let named = metadata.get("correlation_id").and_then(|it| it.parse::<Uuid>().ok());
        let correlation_id = named.unwrap_or(fresh);
        let mut new = NewEvents {
            aggregate_type: D::AGGREGATE,
            aggregate_id: context.id.clone(),
            before: context.sequence,
            events: vec![],
            tenant: self.tenant.clone(),
            actor: metadata.get("actor").cloned().unwrap_or_else(|| "cqrs-es".to_owned()),
            correlation_id,
            causation_id: fresh,
        };
        let mut committed = vec![];
        for (sequence, event) in (context.sequence + 1..).zip(events) {
            new.events.push(NewEvent {
                event_type: event.0.event_type(),
                event_version: D::Event::current_version(event.0.event_type()).unwrap_or(1),
                payload: serde_json::to_string(&event)
                    .map_err(|error| AggregateError::UnexpectedError(error.into()))?,
            });
            committed.push(EventEnvelope {
                aggregate_id: context.id.clone(),
                sequence: usize::try_from(sequence).unwrap_or(usize::MAX),
                payload: event,
                metadata: metadata.clone(),
            });
        }
        match self.log.enqueue(new, None).await {
            Ok(_) => Ok(committed),
            Err(AppendError::Log(error)) => Err(to_aggregate_error(error)),
            Err(AppendError::Conflict | AppendError::AlreadyExecuted) => Err(AggregateError::AggregateConflict),
        }
    }
}

fn to_aggregate_error<E: std::error::Error>(error: LogError) -> AggregateError<E> {
    match error {
        LogError::Unreadable { .. } => AggregateError::DeserializationError(error.into()),
        LogError::Busy | LogError::Closed | LogError::Unavailable(_) | LogError::Broker(_) => {
            AggregateError::DatabaseConnectionError(error.into())
        }
        LogError::Unwritable { .. } => AggregateError::UnexpectedError(error.into()),
    }
}
