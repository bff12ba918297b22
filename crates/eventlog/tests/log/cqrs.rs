//! The log under cqrs-es and postgres-es as they are published.

use std::collections::HashMap;

use crate::support::{TENANT, context, execute, goal, open, register, registered};
use baeum_domain::identity::user::{Event, User};
use baeum_eventlog::cqrs::{CqrsStore, Root};
use baeum_testing::{TestDatabase, new_id};
use cqrs_es::{CqrsFramework, EventStore, persist::PersistedEventStore};
use futures::future::join_all;
use postgres_es::PostgresEventRepository;

#[tokio::test(flavor = "multi_thread")]
async fn stock_postgres_es_reads_our_streams() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let id = registered(&log).await;
    // From a remembered state, with a receipt, in one batch with others.
    let others = join_all((0..20).map(|_| registered(&log)));
    let context = context(Some((new_id(), "a")));
    let (changed, _) = tokio::join!(execute(&log, &context, id, goal(45)), others);
    changed.expect("done");
    let repository = PostgresEventRepository::new(database.pool.clone());
    let stock = PersistedEventStore::<PostgresEventRepository, Root<User>>::new_event_store(repository);
    let events = stock.load_events(&id.to_string()).await.expect("readable");
    assert_eq!(events.len(), 2);
    assert_eq!((events[1].sequence, &events[1].payload.0), (2, &Event::GoalSet { daily_minutes: 45 }));
    let metadata = [("actor", "test"), ("correlation_id", &context.correlation_id.to_string())];
    for (name, value) in metadata {
        assert_eq!(events[1].metadata.get(name).map(String::as_str), Some(value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cqrs_es_framework_runs_on_our_log() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    let framework = CqrsFramework::new(CqrsStore::<User>::new(log.clone(), TENANT), vec![], ());
    let id = new_id();
    let metadata = HashMap::from([("actor".to_owned(), "an older program".to_owned())]);
    framework.execute_with_metadata(&id.to_string(), register(id), metadata).await.expect("registered");
    framework.execute(&id.to_string(), goal(25)).await.expect("changed");
    let loaded = log.load::<User>(TENANT, &id.to_string()).await.expect("readable");
    assert_eq!(loaded.state.profile.as_ref().and_then(|profile| profile.daily_minutes), Some(25));
    assert_eq!(log.read(0, 10).await.expect("readable")[0].actor, "an older program");
    framework.execute(&id.to_string(), goal(2)).await.expect_err("refused");
    assert_eq!(log.head().await.expect("readable"), 2);
}
