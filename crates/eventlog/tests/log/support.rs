//! What the tests of the log share.

use std::{collections::BTreeSet, sync::Arc};

use baeum_domain::{
    identity::user::{Command, Error, Role, User, samples},
    ids::UserId,
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Options, Outcome, nats::Broker};
use baeum_testing::{TestClock, TestDatabase, new_id};
use futures::StreamExt as _;
use uuid::Uuid;

pub(crate) const TENANT: &str = "main";

pub(crate) async fn open(database: &TestDatabase, broker: Option<Broker>) -> EventLog {
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    EventLog::open(database.pool.clone(), clock, broker, Options::default()).await.expect("the log opens")
}

/// A log with connections of its own, as another process has.
pub(crate) async fn process(database: &TestDatabase) -> EventLog {
    let pool = baeum_eventlog::connections(4).connect(&database.url()).await.expect("connections");
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    EventLog::open(pool, clock, None, Options::default()).await.expect("the log opens")
}

pub(crate) fn context(key: Option<(Uuid, &str)>) -> CommandContext {
    CommandContext {
        tenant: TENANT.into(),
        actor: "test".into(),
        command_id: key.map_or_else(new_id, |(id, _)| id),
        fingerprint: key.map(|(_, fingerprint)| fingerprint.to_owned()),
        correlation_id: new_id(),
        causation_id: new_id(),
        expected_sequence: None,
    }
}

pub(crate) fn register(id: Uuid) -> Command {
    Command::Register {
        user_id: UserId(id),
        roles: BTreeSet::from([Role::Learner]),
        preferences: samples::preferences(),
    }
}

pub(crate) fn goal(daily_minutes: u16) -> Command {
    Command::Change { preferences: None, daily_minutes: Some(daily_minutes), emotion_care_policy: None }
}

pub(crate) async fn execute(
    log: &EventLog,
    context: &CommandContext,
    id: Uuid,
    command: Command,
) -> Result<Outcome<Option<u16>>, ExecuteError<Error>> {
    log.execute::<User, _, Error, _>(
        context,
        &id.to_string(),
        |_: Loaded<User>| std::future::ready(Ok(command.clone())),
        |user, _| user.profile.as_ref().and_then(|profile| profile.daily_minutes),
    )
    .await
}

/// Registers a user and returns their id.
pub(crate) async fn registered(log: &EventLog) -> Uuid {
    let id = new_id();
    execute(log, &context(None), id, register(id)).await.expect("registered");
    id
}

/// Registers so many users, many at a time.
pub(crate) async fn registered_many(log: &EventLog, count: usize) {
    let done = futures::stream::iter(0..count).map(|_| registered(log)).buffer_unordered(64);
    assert_eq!(done.count().await, count);
}
